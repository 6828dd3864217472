"""How often a worker's reports are acted upon, however often it sends them."""

import time
from collections.abc import Callable

from slotgrid.wire.encoding import ProtocolFault
from slotgrid.wire.limits import REPORT_WITHIN_S

REPORTS_LIMIT = 1000
"""Reports in a second, above which a worker is out of order: one that keeps to the protocol sends
a hundred, and what has waited while this balancer's loop stood still comes at once."""


class Pace:
    """Spaces the reports of one worker. `clock` gives monotonic seconds."""

    __slots__ = ("_acted_at", "_clock", "_count", "_since")

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._acted_at = self._since = clock() - REPORT_WITHIN_S
        self._count = 0

    def pause_s(self) -> float:
        """A report has come: seconds until it is to be acted upon; 0 means now.

        Raises ProtocolFault as `count` does.
        """
        now = self.count()
        self._acted_at = max(now, self._acted_at + REPORT_WITHIN_S)
        return self._acted_at - now

    def count(self) -> float:
        """A report has come that is not acted upon; the time. Raises ProtocolFault in a flood."""
        now = self._clock()
        if now - self._since >= 1.0:
            self._since, self._count = now, 0
        self._count += 1
        if self._count > REPORTS_LIMIT:
            raise ProtocolFault(f"more than {REPORTS_LIMIT} reports in a second")
        return now
