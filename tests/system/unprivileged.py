"""Starting something as a user who may do nothing but what the files' modes allow."""

import os
import shutil
from pathlib import Path

SOMEBODY_ELSE = 1


def without_privileges() -> tuple[str, ...]:
    """What to put before a command: root has every right, unless its capabilities are dropped."""
    if os.geteuid() != 0:
        return ()
    setpriv = shutil.which("setpriv")
    assert setpriv is not None, "util-linux has it"
    return (setpriv, "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs")


def taken_away(path: Path, mode: int) -> None:
    """Give the path to somebody else, with this mode; without root's rights, keep nothing of it."""
    if os.geteuid() == 0:
        os.chown(path, SOMEBODY_ELSE, SOMEBODY_ELSE)
        path.chmod(mode)
    else:
        # The owner's bits are what counts for us then: those that others would have.
        path.chmod((mode & 0o7) << 6)
