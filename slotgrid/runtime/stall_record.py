"""Why a process with a blocked event loop ended: written at its end, read at the next start."""

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO


@dataclass(frozen=True, kw_only=True)
class Stall:
    """An event loop that does not turn."""

    #: The function whose task runs, if it is one's.
    function: str | None
    asyncio_task: str | None
    blocked_s: float
    #: The event loop's thread, innermost frame last.
    stack: str


class StallRecord:
    """Two files in a folder: `last_stall.json` and `last_stall.trace`.

    The first is written by the watchdog. The second is for code that never lets go of the
    interpreter's lock (a regular expression that backtracks for ever): no Python can run then, and
    only `faulthandler` still writes.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._json = folder / "last_stall.json"
        self._trace = folder / "last_stall.trace"

    def save(self, stall: Stall) -> None:
        """Leave the reason behind. Raises OSError."""
        aside = self._json.with_suffix(".part")
        aside.write_text(json.dumps(asdict(stall), indent=2), encoding="utf-8")
        aside.replace(self._json)

    def open_trace(self) -> TextIO:
        """An empty file for the interpreter's own traceback; the caller closes it."""
        return self._trace.open("w", encoding="utf-8")

    def take(self) -> dict[str, Any] | None:
        """What ended the last process, once; None if no stall did."""
        found: dict[str, Any] | None = None
        with suppress(FileNotFoundError):
            if trace := self._trace.read_text(encoding="utf-8", errors="replace"):
                found = {"stack": trace}
            self._trace.unlink()
        with suppress(FileNotFoundError):
            text = self._json.read_text(encoding="utf-8")
            self._json.unlink()
            with suppress(ValueError):  # not ours, or cut short: the start matters more
                found = dict(json.loads(text))
        return found
