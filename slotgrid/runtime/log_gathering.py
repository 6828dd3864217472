"""Batches log lines that are not urgent: they are rendered and written together.

Rendered one by one, between two steps of a task, lines are a tenth of the cost of a short task, as
the rendering code has left the CPU caches each time. A killed process loses the lines of the last
milliseconds.
"""

import asyncio
import time
from collections.abc import Callable
from threading import RLock

from slotgrid.runtime.log_sink import LogSink

GATHER_S = 0.01
"""Seconds for which a line that is not urgent may wait for its batch."""
MOST = 64
"""Lines in a batch, at most: rendering more at once would block the event loop for too long."""

Line = Callable[[], bytes]
"""Renders a line, with the values from when it was logged."""


class LogGathering:
    """Writes lines to `sink`, in the order in which they were logged. Any thread may call it."""

    def __init__(self, sink: LogSink) -> None:
        self._sink = sink
        # Reentrant: a finalizer may log at any moment, also while its thread holds the lock.
        self._lock = RLock()
        self._gathered: list[Line] = []
        self._flush_by = 0.0

    def now(self, line: Line) -> None:
        """Write the line now, after the waiting ones."""
        with self._lock:
            self.flush()
            self._sink.write(line())

    def soon(self, line: Line) -> None:
        """Write the line within `GATHER_S`, in a batch; at once if no event loop runs."""
        with self._lock:
            gathered = self._gathered
            if not gathered and not self._flush_soon():
                return self._sink.write(line())
            gathered.append(line)
            # Checks the clock too, because a stopped or blocked loop runs no timers.
            if len(gathered) >= MOST or time.monotonic() > self._flush_by:
                self.flush()
        return None

    def flush(self) -> None:
        """Write the waiting lines."""
        with self._lock:
            if self._gathered:
                gathered, self._gathered = self._gathered, []
                self._sink.write_all([line() for line in gathered])

    def _flush_soon(self) -> bool:
        """Schedule a flush on the event loop; False if none runs."""
        try:
            asyncio.get_running_loop().call_later(GATHER_S, self.flush)
        except RuntimeError:
            return False
        self._flush_by = time.monotonic() + GATHER_S
        return True
