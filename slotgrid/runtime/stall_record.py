"""The reason why a blocked process ended: written at its end, read at the next start."""

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO


@dataclass(frozen=True, kw_only=True)
class Stall:
    """A blocked event loop."""

    #: The function that runs; None if none does.
    function: str | None
    asyncio_task: str | None
    blocked_s: float
    #: Stack of the event loop's thread, innermost frame last.
    stack: str


class StallRecord:
    """Two files in a folder: `last_stall.json` and `last_stall.trace`.

    The watchdog writes the first. The second is for code that never releases the GIL (a regular
    expression that backtracks forever): no Python code can run then, and only `faulthandler` can
    write.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._json = folder / "last_stall.json"
        self._trace = folder / "last_stall.trace"

    def save(self, stall: Stall) -> None:
        """Write the reason. Raises OSError."""
        aside = self._json.with_suffix(".part")
        aside.write_text(json.dumps(asdict(stall), indent=2), encoding="utf-8")
        aside.replace(self._json)

    def open_trace(self) -> TextIO:
        """An empty file for the interpreter's own traceback; the caller closes it."""
        return self._trace.open("w", encoding="utf-8")

    def take(self) -> dict[str, Any] | None:
        """Read and remove the stall that ended the last process; None if none did."""
        found: dict[str, Any] | None = None
        with suppress(FileNotFoundError):
            if trace := self._trace.read_text(encoding="utf-8", errors="replace"):
                found = {"stack": trace}
            self._trace.unlink()
        with suppress(FileNotFoundError):
            text = self._json.read_text(encoding="utf-8")
            self._json.unlink()
            with suppress(ValueError):  # a foreign or truncated file must not stop the start
                found = dict(json.loads(text))
        return found
