"""Descendants of a process, as far as this user may see them.

psutil's own `children` fails entirely where processes of other users cannot be read (`hidepid=1`,
`ProtectProc=noaccess` of systemd).
"""

from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")


def children(pid: int, proc: Path = PROC) -> list[int]:
    """The process ids of the children of a process."""
    return _by_parent(proc).get(pid, [])


def tree(pid: int, proc: Path = PROC) -> list[int]:
    """The process and all its descendants; the process alone if it has none, or is gone."""
    by_parent, found = _by_parent(proc), [pid]
    for parent in found:  # `found` grows during the loop
        found += by_parent.get(parent, [])
    return found


def _by_parent(proc: Path) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for folder in proc.iterdir():
        if folder.name.isdigit():
            with suppress(OSError):  # the process has ended, or is hidden
                # The process name, before the last parenthesis, may hold any character.
                fields = (folder / "stat").read_bytes().rpartition(b")")[2].split()
                found.setdefault(int(fields[1]), []).append(int(folder.name))
    return found
