"""Installs packages of Debian and Ubuntu, if this user may. Standard library only."""

import os
import platform
import shutil
from collections.abc import Mapping

from scripts.progress import StepFailed, command

# apt must neither prompt nor wait for another apt for ever.
QUIET = {"DEBIAN_FRONTEND": "noninteractive"}
LOCK_WAIT = "-oDPkg::Lock::Timeout=120"


def distribution(release: Mapping[str, str]) -> str:
    """`debian` or `ubuntu`, also for their derivatives; else an empty string."""
    names = [release.get("ID", ""), *release.get("ID_LIKE", "").split()]
    # Ubuntu and its derivatives have ID_LIKE=debian as well, so `ubuntu` is tried first.
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


def installed(*packages: str) -> bool:
    """Whether dpkg has all of these packages; false where there is no dpkg."""
    try:
        shown = command(["dpkg-query", "-W", "-f=${db:Status-Status}\n", *packages])
    except StepFailed:  # also for a package that dpkg does not know
        return False
    return set(shown.splitlines()) == {"installed"}


def update() -> None:
    """Fetch the lists of packages. Raises StepFailed with apt's last lines."""
    command(["apt-get", LOCK_WAIT, "-q", "update"], env=QUIET)


def install(*packages: str) -> None:
    """Install packages from fresh lists, without recommended packages.

    Raises StepFailed with apt's last lines.
    """
    update()
    command(
        ["apt-get", LOCK_WAIT, "-qy", "install", "--no-install-recommends", *packages], env=QUIET
    )
