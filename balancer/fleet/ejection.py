"""Outlier ejection: a worker that fails repeatedly gets no tasks for a growing time."""

from slotgrid.backoff import Backoff

FAILURES = 3
"""Failures in a row that eject. One may be the task's fault, two may be chance."""
BURST_S = 1.0
"""Failures within this time count as one: the crash of a browser fails all its tasks."""
BACKOFF = Backoff(first_s=5.0, ceiling_s=300.0)


class Ejection:
    """The failures of one worker, and until when it is ejected.

    After that time it is half-open: it gets one task as a probe. A success resets the ejection,
    a failure ejects for twice the time. Times are seconds of the caller's clock.
    """

    __slots__ = ("_counted_at", "_failures", "_until", "times")

    def __init__(self) -> None:
        self._failures = 0
        self._counted_at: float | None = None
        self._until: float | None = None
        self.times = 0
        """Ejections in a row."""

    def failed(self, now: float, *, may_eject: bool = True) -> bool:
        """Count a failure of the worker's infrastructure; returns whether it ejects the worker.

        With `may_eject` False it only counts, for example if too many others are ejected.
        """
        if self._counted_at is not None and now - self._counted_at < BURST_S:
            return False
        self._counted_at = now
        self._failures += 1
        if self.out(now) or not may_eject:
            return False
        if self._failures < FAILURES and not self.half_open(now):
            return False
        self.times += 1
        self._until = now + BACKOFF.full_s(self.times)
        self._failures = 0
        return True

    def succeeded(self, now: float) -> None:
        """Reset after a success. Ignored while ejected: the task began before the ejection."""
        if not self.out(now):
            self._failures = self.times = 0
            self._until = None

    @property
    def clear(self) -> bool:
        """Whether it is neither ejected nor half-open; time alone does not change that."""
        return self._until is None

    def out(self, now: float) -> bool:
        """Whether the worker is ejected: it gets no task at all."""
        return self._until is not None and now < self._until

    def half_open(self, now: float) -> bool:
        """Whether the time is over and no probe has succeeded yet: one task at a time."""
        return self._until is not None and now >= self._until

    def remaining_s(self, now: float) -> float:
        """Seconds until it is half-open; 0 if it is not ejected."""
        return 0.0 if self._until is None else max(0.0, self._until - now)
