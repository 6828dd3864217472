"""The printed table, with a row for each measurement."""

import os
import platform
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version


@dataclass(frozen=True)
class Row:
    """One measurement: ours, the reference, and the target with whether it was met."""

    what: str
    ours: str
    beside: str = ""
    ratio: str = ""
    target: str = ""
    met: bool | None = None


def print_table(rows: Iterable[Row], *, note: str = "") -> None:
    """Print the rows as Markdown, for terminals and pages, below a note on the machine."""
    print(f"{_machine()}{note}\n")
    print("| measured | Slotgrid | beside | ratio | target | met |")
    print("|---|---|---|---|---|---|")
    for row in rows:
        met = {True: "yes", False: "no", None: ""}[row.met]
        print(f"| {row.what} | {row.ours} | {row.beside} | {row.ratio} | {row.target} | {met} |")


def _machine() -> str:
    return (
        f"{os.cpu_count()} cores, Python {platform.python_version()}, "
        f"aiohttp {version('aiohttp')}, Playwright {version('playwright')}"
    )
