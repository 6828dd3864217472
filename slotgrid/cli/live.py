"""Shows the events of a running task on stderr, as they arrive."""

import json
import time
from typing import Protocol, Self

from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from slotgrid.cli.output import clean, duration_text, echo, styled
from slotgrid.client import Event

REFRESHES_PER_S = 8
BAR_WIDTH = 30


class View(Protocol):
    """Shows the events of one task; use as `with`."""

    def __enter__(self) -> Self:
        """Begin."""

    def __exit__(self, *_: object) -> None:
        """End; all events received are shown."""

    def show(self, event: Event) -> None:
        """Show one event."""


def view_on(console: Console, title: str) -> View:
    """A view that suits the console: animated on a terminal, plain lines elsewhere."""
    return TerminalView(console, title) if console.is_terminal else LineView(console)


class LineView:
    """A line for each event, and chunks unchanged: for files and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._in_line = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end_line()

    def show(self, event: Event) -> None:
        """Show one event."""
        if event.kind == "chunk":
            chunk = str(event.data)
            self._console.out(chunk, end="", highlight=False)
            self._in_line = not chunk.endswith("\n") if chunk else self._in_line
        elif event.kind != "done":
            self._end_line()
            echo(self._console, *_line(event))

    def _end_line(self) -> None:
        if self._in_line:
            self._console.out("")
            self._in_line = False


class TerminalView:
    """An animated line (status, progress, elapsed time) below the permanent lines."""

    def __init__(self, console: Console, title: str) -> None:
        self._console = console
        self._text = title
        self._fraction: float | None = None
        self._started = time.monotonic()
        self._spinner = Spinner("dots", style="cyan")
        self._unfinished = ""
        self._live = Live(
            console=console,
            get_renderable=self._frame,
            refresh_per_second=REFRESHES_PER_S,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        rest, self._unfinished = self._unfinished, ""
        self._live.stop()
        if rest:
            echo(self._console, rest)

    def show(self, event: Event) -> None:
        """Show one event."""
        if event.kind == "chunk":
            # The animation redraws whole terminal lines, so it includes the unfinished line.
            *ended, self._unfinished = (self._unfinished + str(event.data)).split("\n")
            for line in ended:
                echo(self._console, line.removesuffix("\r"))
        elif event.kind in ("status", "progress"):
            self._text = event.text or self._text
            self._fraction = fraction_of(event)
        elif event.kind != "done":
            echo(self._console, *_line(event))

    def _frame(self) -> RenderableType:
        frame = Table.grid(padding=(0, 1))
        cells: list[RenderableType] = [self._spinner, Text(clean(self._text))]
        if self._fraction is not None:
            cells.append(ProgressBar(total=1, completed=self._fraction, width=BAR_WIDTH))
            cells.append(f"{self._fraction:.0%}")
        cells.append(styled((duration_text((time.monotonic() - self._started) * 1000), "dim")))
        frame.add_row(*cells)
        if not self._unfinished:
            return frame
        whole = Table.grid()
        whole.add_row(styled(self._unfinished))
        whole.add_row(frame)
        return whole


def fraction_of(event: Event) -> float | None:
    """The progress that the task reports, from 0 to 1."""
    said = event.data.get("fraction") if isinstance(event.data, dict) else None
    return min(1.0, max(0.0, float(said))) if isinstance(said, int | float) else None


def _line(event: Event) -> tuple[tuple[str, str] | str, ...]:
    """An event as one line: log lines are dimmed, custom kinds are named."""
    text = event.text or ""
    match event.kind:
        case "status":
            return (("· ", "cyan"), text)
        case "progress":
            fraction = fraction_of(event)
            return (("· ", "cyan"), text, "" if fraction is None else f" ({fraction:.0%})")
        case "log":
            return ((f"│ {text}", "dim"),)
        case "artifact":
            return ((f"▪ {text}", "dim"),)
        case kind:
            data = "" if event.data is None else json.dumps(event.data, ensure_ascii=False)
            return ((kind, "magenta"), "".join(f" {part}" for part in (text, data) if part))
