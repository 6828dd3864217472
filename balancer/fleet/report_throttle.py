"""Throttles the processing of a worker's reports."""

import time
from collections.abc import Callable

from balancer.fleet.message_limits import REPORTS_LIMIT, RateBound
from slotgrid.wire.limits import REPORT_WITHIN_S


class ReportThrottle:
    """Spaces the reports of one worker by REPORT_WITHIN_S. `clock` gives monotonic seconds."""

    __slots__ = ("_acted_at", "_bound")

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._bound = RateBound("reports", REPORTS_LIMIT, clock)
        self._acted_at = clock() - REPORT_WITHIN_S

    def pause_s(self) -> float:
        """Seconds until a report that has just arrived is processed; 0 means now.

        Raises ProtocolFault as `count` does.
        """
        now = self.count()
        self._acted_at = max(now, self._acted_at + REPORT_WITHIN_S)
        return self._acted_at - now

    def count(self) -> float:
        """Count a report that is not processed; returns the time. Raises ProtocolFault."""
        return self._bound.count()
