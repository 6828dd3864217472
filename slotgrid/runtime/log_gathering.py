"""Lines that may come a little later are made and written together with those of their company.

Made one by one, each between two steps of a task, lines are a tenth of what a short task costs:
what makes them has left the processor's caches each time. Killed in between, a process loses the
lines of the last milliseconds.
"""

import asyncio
import time
from collections.abc import Callable
from threading import RLock

from slotgrid.runtime.log_sink import LogSink

GATHER_S = 0.01
"""How long a line that is not urgent may wait for company."""
MOST = 64
"""Lines that wait at most, or the loop would stand still for too long when they are made."""

Line = Callable[[], bytes]
"""Makes the line, as it was when it was said."""


class LogGathering:
    """Writes to `sink`, in the order in which lines were said. Any thread may call it."""

    def __init__(self, sink: LogSink) -> None:
        self._sink = sink
        # Reentrant: a finalizer may log at any moment, also while this thread is in here.
        self._lock = RLock()
        self._gathered: list[Line] = []
        self._flush_by = 0.0

    def now(self, line: Line) -> None:
        """Write the line, behind those that wait."""
        with self._lock:
            self.flush()
            self._sink.write(line())

    def soon(self, line: Line) -> None:
        """The same within `GATHER_S`, with what else comes until then; at once without a loop."""
        with self._lock:
            gathered = self._gathered
            if not gathered and not self._flush_soon():
                return self._sink.write(line())
            gathered.append(line)
            # The clock, because a loop that is stopped or blocked calls nobody.
            if len(gathered) >= MOST or time.monotonic() > self._flush_by:
                self.flush()
        return None

    def flush(self) -> None:
        """Write what waits."""
        with self._lock:
            if self._gathered:
                gathered, self._gathered = self._gathered, []
                self._sink.write_all([line() for line in gathered])

    def _flush_soon(self) -> bool:
        """Have the loop flush what is gathered from now on; False where none runs."""
        try:
            asyncio.get_running_loop().call_later(GATHER_S, self.flush)
        except RuntimeError:
            return False
        self._flush_by = time.monotonic() + GATHER_S
        return True
