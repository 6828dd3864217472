"""Prints output: only results go to stdout, everything else to stderr."""

import json
import re
from typing import Any

import click
from rich.console import Console
from rich.highlighter import JSONHighlighter
from rich.text import Text

# Titles and texts come from untrusted pages: they must not control the terminal.
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
UNLIMITED_WIDTH = 10_000


def screen(*, err: bool = False) -> Console:
    """A console with the terminal's width; for a pipe or file, too wide for any line to wrap."""
    console = Console(stderr=err, highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = UNLIMITED_WIDTH
    return console


def clean(text: object) -> str:
    """Text without the control characters that would move the cursor or change colours."""
    return CONTROLS.sub("�", str(text).replace("\r\n", "\n"))


def styled(*parts: tuple[object, str] | str) -> Text:
    """A line of parts, each with its style: `styled("took ", (seconds, "bold"))`."""
    return Text.assemble(
        *(clean(p) if isinstance(p, str) else (clean(p[0]), p[1]) for p in parts), overflow="fold"
    )


def echo(console: Console, *parts: tuple[object, str] | str) -> None:
    """Print a line; the terminal wraps it, so that a user can copy it whole."""
    console.print(styled(*parts), soft_wrap=True)


def print_json(value: Any, *, plain: bool = False) -> None:
    """Print JSON on stdout: coloured on a terminal, unless `plain`."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    console = screen()
    if console.is_terminal and not plain:
        console.print(JSONHighlighter()(clean(text)), soft_wrap=True)
    else:
        # A lone surrogate has no UTF-8 form, but this escape of it is valid JSON.
        click.echo(text.encode("utf-8", "backslashreplace"))


def size_text(size_bytes: float) -> str:
    """A size in a suitable unit: `17 B`, `1.2 MiB`."""
    for unit in ("B", "KiB", "MiB"):
        if size_bytes < 1024:
            return f"{size_bytes:.0f} B" if unit == "B" else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1024
    return f"{size_bytes:.1f} GiB"


def duration_text(milliseconds: float) -> str:
    """A duration in suitable units: `312 ms`, `4.2 s`, `3 min 20 s`."""
    if milliseconds < 1000:
        return f"{milliseconds:.0f} ms"
    seconds = milliseconds / 1000
    return f"{seconds:.1f} s" if seconds < 120 else f"{seconds // 60:.0f} min {seconds % 60:.0f} s"
