"""Packages of Debian and Ubuntu, where this user may install them. Standard library only."""

import os
import platform
import shutil
from collections.abc import Mapping

from scripts.progress import command

# apt must neither ask a question nor wait for another apt for ever.
QUIET = {"DEBIAN_FRONTEND": "noninteractive"}
LOCK_WAIT = "-oDPkg::Lock::Timeout=120"


def distribution(release: Mapping[str, str]) -> str:
    """`debian` or `ubuntu`, also for what derives from them; else an empty string."""
    names = [release.get("ID", ""), *release.get("ID_LIKE", "").split()]
    # Ubuntu says ID_LIKE=debian, and so does what derives from it: the closer relative counts.
    return next((name for name in ("ubuntu", "debian") if name in names), "")


def this_distribution() -> str:
    """The distribution of this machine, as `distribution` names it."""
    try:
        return distribution(platform.freedesktop_os_release())
    except OSError:
        return ""


def can_install() -> bool:
    """Whether apt-get is here and this user is root."""
    return shutil.which("apt-get") is not None and os.geteuid() == 0


def update() -> None:
    """Fetch the lists of packages. Raises StepFailed with apt's last lines when it cannot."""
    command(["apt-get", LOCK_WAIT, "-q", "update"], env=QUIET)


def install(*packages: str) -> None:
    """Install packages with fresh lists, without what they only recommend.

    Raises StepFailed with apt's last lines when it cannot.
    """
    update()
    command(
        ["apt-get", LOCK_WAIT, "-qy", "install", "--no-install-recommends", *packages], env=QUIET
    )
