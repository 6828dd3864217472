"""Measures which code a whole run of the tests reaches, and holds it to the project's figures.

Every process that the tests start is measured too. One that is killed writes down nothing, so a
run's figure varies a little.
"""

import subprocess
import sys
from collections.abc import Sequence

RUN = ("coverage", "run", "-m", "pytest")
"""Runs pytest and measures it; pyproject.toml has the settings."""
CORE = "slotgrid/core/*"
"""Decides, without I/O: every branch of it is tested."""
GATES = (
    ("report", f"--include={CORE}", "--fail-under=100", "--show-missing", "--skip-covered"),
    ("report", "--show-missing", "--skip-covered"),  # `fail_under` of pyproject.toml
)


def begin() -> None:
    """Forget earlier runs."""
    _coverage("erase")


def judge() -> int:
    """Print what was not reached. Returns 0 if every figure is met, else an exit status."""
    _coverage("combine", "--quiet")
    statuses = [_coverage(*gate) for gate in GATES]
    return max(statuses)


def _coverage(*arguments: str) -> int:
    command: Sequence[str] = (sys.executable, "-m", "coverage", *arguments)
    return subprocess.run(command, check=False).returncode
