"""What is printed: results on stdout and nothing else there, everything about them on stderr."""

import json
import re
from typing import Any

import click
from rich.console import Console
from rich.highlighter import JSONHighlighter
from rich.text import Text

# Titles and texts come from pages that nobody here wrote: none of them may steer the terminal.
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
UNLIMITED_WIDTH = 10_000


def screen(*, err: bool = False) -> Console:
    """The terminal as wide as it is; a pipe or file without an edge at which lines would wrap."""
    console = Console(stderr=err, highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = UNLIMITED_WIDTH
    return console


def clean(text: object) -> str:
    """Text without what would move the cursor, change colours or talk to the terminal."""
    return CONTROLS.sub("�", str(text).replace("\r\n", "\n"))


def styled(*parts: tuple[object, str] | str) -> Text:
    """A line of parts, each with its style: `styled("took ", (seconds, "bold"))`."""
    return Text.assemble(
        *(clean(p) if isinstance(p, str) else (clean(p[0]), p[1]) for p in parts), overflow="fold"
    )


def say(console: Console, *parts: tuple[object, str] | str) -> None:
    """Print a line; a terminal wraps it where it likes, so that it can be copied whole."""
    console.print(styled(*parts), soft_wrap=True)


def print_json(value: Any, *, plain: bool = False) -> None:
    """JSON on stdout: coloured for a person, plain for a program or when asked."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    console = screen()
    if console.is_terminal and not plain:
        console.print(JSONHighlighter()(clean(text)), soft_wrap=True)
    else:
        # Half of a surrogate pair has no UTF-8, but this escape of it is JSON.
        click.echo(text.encode("utf-8", "backslashreplace"))


def size_text(size_bytes: float) -> str:
    """A size in the unit that suits it: `17 B`, `1.2 MiB`."""
    for unit in ("B", "KiB", "MiB"):
        if size_bytes < 1024:
            return f"{size_bytes:.0f} B" if unit == "B" else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1024
    return f"{size_bytes:.1f} GiB"


def duration_text(milliseconds: float) -> str:
    """A duration as a person says it: `312 ms`, `4.2 s`, `3 min 20 s`."""
    if milliseconds < 1000:
        return f"{milliseconds:.0f} ms"
    seconds = milliseconds / 1000
    return f"{seconds:.1f} s" if seconds < 120 else f"{seconds // 60:.0f} min {seconds % 60:.0f} s"
