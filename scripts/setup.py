"""Makes `.venv` and fills it with the locked packages. Standard library only, for any Python.

Each finished set-up leaves a stamp with a digest of what it was made from, so that the next one
sees in a moment, and without a network, that nothing is to be done.
"""

import argparse
import hashlib
import importlib.util
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from scripts import debian
from scripts.progress import StepFailed, command, failures_told, step

ROOT = Path(__file__).resolve().parent.parent
BUILD_LOCK = "requirements-build.lock"
# The development lock holds every pin of the runtime lock, so it fulfils both.
LOCKS = {"runtime": "requirements.lock", "dev": "requirements-dev.lock"}
FULFILS = {"runtime": ("runtime",), "dev": ("runtime", "dev")}
PIP = ("-m", "pip", "--disable-pip-version-check")
PIP_INSTALL = (
    *(*PIP, "install", "--quiet", "--no-input"),
    "--no-build-isolation",  # isolation would fetch build requirements without our locks
)
# `--no-deps`: a lock is complete. Python 3.11's pip would resolve `coverage[toml]`, which another
# package requires, to the newest release instead of the pinned one.
# Wheels only, since a source distribution runs code at installation; the exception has no wheel.
LOCKED = ("--no-deps", "--require-hashes", "--only-binary=:all:", "--no-binary=aiohttp-apispec")


class Environment:
    """The project's virtual environment and the stamps of its installed packages."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.path = root / ".venv"
        self.python = self.path / "bin" / "python"

    def version(self) -> str | None:
        """The Python version inside; None if Python or pip does not run.

        An environment whose creation was interrupted has a Python but no pip.
        """
        script = "import platform, pip; print(platform.python_version())"
        try:
            ran = subprocess.run(
                [self.python, "-c", script], capture_output=True, text=True, check=True
            )
        except (OSError, subprocess.CalledProcessError):
            return None
        return ran.stdout.strip()

    def create(self) -> None:
        """Make it, replacing an earlier one. Raises StepFailed."""
        command([sys.executable, "-m", "venv", "--clear", str(self.path)])

    def digest(self, kind: str) -> str:
        """A digest of what decides the packages of `kind`: locks, project file, Python, path.

        The commands in `.venv/bin` contain the path, so a moved tree needs new ones.
        """
        parts = [self.version() or "", str(self.root)]
        files = [LOCKS[kind], BUILD_LOCK, "pyproject.toml"]
        parts += [(self.root / name).read_text() for name in files]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def holds(self, kind: str) -> bool:
        """Whether the packages of `kind` are installed by the current locks."""
        stamp = self._stamp(kind)
        return stamp.is_file() and stamp.read_text() == self.digest(kind)

    def install(self, kind: str) -> None:
        """Install the packages of `kind` by hash, then this project. Raises StepFailed."""
        # Removed first: an interrupted installation must not look finished.
        for stale in LOCKS:
            self._stamp(stale).unlink(missing_ok=True)
        pip = (str(self.python), *PIP_INSTALL)
        for lock in (BUILD_LOCK, LOCKS[kind]):
            command([*pip, *LOCKED, "--requirement", str(self.root / lock)], remedy=NO_PACKAGES)
        command([*pip, "--no-deps", "--editable", str(self.root)])
        self.check(BUILD_LOCK, LOCKS[kind])
        for fulfilled in FULFILS[kind]:
            self._stamp(fulfilled).write_text(self.digest(fulfilled))

    def check(self, *locks: str) -> None:
        """Raise StepFailed if a locked package misses a requirement or has a conflicting one.

        Packages that a user has added for functions are not checked.
        """
        command_line = [str(self.python), *PIP, "check"]
        said = subprocess.run(command_line, capture_output=True, text=True, check=False).stdout
        texts = [(self.root / lock).read_text() for lock in locks]
        locked = {name for text in texts for name in PINNED.findall(text)}
        faults = [line for line in said.splitlines() if canonical(line.split(" ", 1)[0]) in locked]
        if faults:
            raise StepFailed(
                f"{' and '.join(locks)} are not complete:\n" + "\n".join(faults), remedy=NEW_LOCK
            )

    def _stamp(self, kind: str) -> Path:
        return self.path / f".installed-{kind}"


PINNED = re.compile(r"^([a-z0-9-]+)==", re.MULTILINE)
NEW_LOCK = "write the lock files anew with `make lock`, then run the same command again."
NO_PACKAGES = (
    "see that this machine reaches the Python Package Index (or set PIP_INDEX_URL to a mirror), "
    "then run the same command again: it goes on where it stopped."
)


def canonical(name: str) -> str:
    """A package's name in the spelling of lock files, from any spelling of pip."""
    return re.sub(r"[-_.]+", "-", name).lower()


def ensure_venv_module() -> None:
    """Make sure that `python -m venv` works: Debian and Ubuntu ship it as a separate package.

    Raises StepFailed with the command to run if this user may not install it.
    """
    if importlib.util.find_spec("ensurepip"):
        return
    package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
    remedy = f"sudo apt-get update && sudo apt-get install -y {package}"
    if not (debian.this_distribution() and debian.can_install()):
        raise StepFailed(f"{sys.executable} cannot make virtual environments.", remedy=remedy)
    debian.install(package)


def prepare(environment: Environment, kind: str) -> None:
    """Bring the environment to the state of the locks, in steps. Raises StepFailed."""
    with step("Python") as line:
        if environment.version() is None:
            line.detail = "making .venv"
            ensure_venv_module()
            environment.create()
        line.detail = f"{environment.version()} in .venv"
    with step("packages") as line:
        if environment.holds(kind):
            line.detail = f"{LOCKS[kind]}, nothing to do"
            return
        line.detail = f"installing {LOCKS[kind]}"
        environment.install(kind)
        line.detail = f"{LOCKS[kind]}, every hash checked"


def main(arguments: Sequence[str] | None = None) -> None:
    """Set up the environment for `--for`."""
    parser = argparse.ArgumentParser(prog="python -m scripts.setup", description=__doc__)
    parser.add_argument("--for", dest="kind", choices=LOCKS, default="runtime")
    kind = parser.parse_args(arguments).kind
    with failures_told():
        prepare(Environment(ROOT), kind)


if __name__ == "__main__":
    main()
