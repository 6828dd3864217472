"""Prints one line per step: its result and its time. Standard library only."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

TICK_S = 0.1
REWIND = "\r\x1b[2K"  # to the start of the terminal's line, and wipe it
LAST_LINES = 15


class StepFailed(Exception):
    """A step that cannot continue. `remedy` is advice for the user."""

    def __init__(self, problem: str, *, remedy: str = "") -> None:
        super().__init__(problem)
        self.remedy = remedy


class Line:
    """The line of one step: `detail` is the current text beside its title."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.detail = ""
        self._started = time.monotonic()

    def render(self, mark: str, colour: str) -> str:
        """The line with its seconds so far, coloured only on a terminal."""
        elapsed = f"{time.monotonic() - self._started:.1f} s"
        return f"{paint(mark, colour)} {self.title:<11}  {self.detail:<56} {paint(elapsed, '2')}"


@contextmanager
def step(title: str, *, live: bool = True) -> Iterator[Line]:
    """Show one step while the block runs: a live count of seconds, then one final line.

    `live=False` omits the live count, for a block in which other code writes to the terminal.
    """
    line = Line(title)
    ended = threading.Event()
    ticker = threading.Thread(target=_tick, args=(line, ended), daemon=True)
    counts = live and sys.stdout.isatty()
    if counts:
        ticker.start()
    mark, colour = "✗", "31"
    try:
        yield line
        mark, colour = "✓", "32"
    finally:
        ended.set()
        if counts:
            ticker.join()
        print((REWIND if counts else "") + line.render(mark, colour), flush=True)


def _tick(line: Line, ended: threading.Event) -> None:
    while not ended.wait(TICK_S):
        print(REWIND + line.render("…", "33"), end="", flush=True)


def paint(text: str, code: str) -> str:
    """`text` in an ANSI colour on a terminal: not in a pipe, not if NO_COLOR is set."""
    seen = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    return f"\x1b[{code}m{text}\x1b[0m" if seen else text


def command(words: Sequence[str], *, remedy: str = "", env: dict[str, str] | None = None) -> str:
    """Run a command and return its output. Raises StepFailed with its last lines."""
    try:
        ran = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={**os.environ, **(env or {})},
            check=False,
        )
    except OSError as cause:
        raise StepFailed(
            f"{words[0]} cannot be started: {cause.strerror}", remedy=remedy
        ) from cause
    if ran.returncode:
        said = "\n".join(f"    {line}" for line in ran.stdout.splitlines()[-LAST_LINES:])
        raise StepFailed(f"{' '.join(words)} ended with {ran.returncode}:\n{said}", remedy=remedy)
    return ran.stdout.strip()


@contextmanager
def failures_told(*, status: int = 1) -> Iterator[None]:
    """Wraps a program: a failed step prints its remedy, Ctrl-C ends without a traceback.

    `status` is the exit status after a failed step.
    """
    try:
        yield
    except StepFailed as failed:
        print(f"\n{failed}", file=sys.stderr)
        if failed.remedy:
            print(f"\nWhat to do: {failed.remedy}", file=sys.stderr)
        raise SystemExit(status) from failed
    except KeyboardInterrupt:
        raise SystemExit(130) from None
