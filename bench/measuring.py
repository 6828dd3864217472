"""Shared parts of the measuring programs: their one option, their clock, their table."""

import argparse
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import psutil
import uvloop

from bench.table import Row, print_table


class Measure(Protocol):
    """Runs every measurement, one after the other; `folder` is for the nodes' files."""

    def __call__(
        self, folder: Path, *, quick: bool, say: Callable[[str], None]
    ) -> Coroutine[Any, Any, list[Row]]:
        """The rows of the table; `say` prints the name of each measurement."""


def main(measure: Measure, *, module: str, about: str | None, quick: str) -> int:
    """Measure and print; the status is 1 if a target was missed."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=about)
    parser.add_argument("--quick", action="store_true", help=quick)
    is_quick = parser.parse_args().quick
    began, before = time.monotonic(), psutil.cpu_times()

    def say(what: str) -> None:
        print(f"{time.monotonic() - began:4.0f} s  {what}", flush=True)

    with TemporaryDirectory(prefix="slotgrid-bench-") as folder:
        rows = uvloop.run(measure(Path(folder), quick=is_quick, say=say))
    print()
    print_table(rows, note=_stolen(before, psutil.cpu_times()))
    return 0 if all(row.met is not False for row in rows) else 1


def _stolen(before: Any, after: Any) -> str:
    """The share of CPU time used by other guests of the host; empty if the system has no figure."""
    passed = {name: getattr(after, name) - getattr(before, name) for name in after._fields}
    if "steal" not in passed:
        return ""
    # Linux counts a guest's time twice: as its own, and as the user's.
    whole = sum(seconds for name, seconds in passed.items() if not name.startswith("guest"))
    return f", {100 * passed['steal'] / whole:.1f} % of their time taken by the host's others"
