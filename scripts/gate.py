"""Measures the coverage of a full test run, and checks it against the project's limits.

Every process that the tests start is measured too. A killed process writes no data, so the
figure varies a little between runs.
"""

import subprocess
import sys
from collections.abc import Sequence

RUN = ("coverage", "run", "-m", "pytest")
"""Runs pytest and measures it; pyproject.toml has the settings."""
CORE = "slotgrid/core/*"
"""The core decides without I/O, so every branch of it is tested."""
GATES = (
    ("report", f"--include={CORE}", "--fail-under=100", "--show-missing", "--skip-covered"),
    ("report", "--show-missing", "--skip-covered"),  # `fail_under` of pyproject.toml
)


def begin() -> None:
    """Erase the data of earlier runs."""
    _coverage("erase")


def judge() -> int:
    """Print the code that was not reached. Returns 0 if every limit is met, else an exit status."""
    _coverage("combine", "--quiet")
    statuses = [_coverage(*gate) for gate in GATES]
    return max(statuses)


def _coverage(*arguments: str) -> int:
    command: Sequence[str] = (sys.executable, "-m", "coverage", *arguments)
    return subprocess.run(command, check=False).returncode
