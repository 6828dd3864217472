"""Outlier ejection: a worker that fails repeatedly is left alone for a growing time."""

FAILURES = 3
"""Failures in a row that eject. One may be the task's own doing, two chance."""
BURST_S = 1.0
"""Failures within this time count as one: a browser that crashes takes all its tasks along."""
FIRST_S = 5.0
LONGEST_S = 300.0


class Ejection:
    """How one worker has been failing, and until when it gets no tasks because of that.

    Once the time is over it is half open: it gets one task, which decides. A success ends the
    matter, a failure ejects for twice the time. Times are seconds of the caller's clock.
    """

    __slots__ = ("_counted_at", "_failures", "_until", "times")

    def __init__(self) -> None:
        self._failures = 0
        self._counted_at: float | None = None
        self._until: float | None = None
        self.times = 0
        """How often in a row it was ejected."""

    def failed(self, now: float, *, may_eject: bool = True) -> bool:
        """One more failure of the worker's infrastructure; whether it is ejected by that.

        With `may_eject` False it is only counted, as when too many others are out already.
        """
        if self._counted_at is not None and now - self._counted_at < BURST_S:
            return False
        self._counted_at = now
        self._failures += 1
        if self.out(now) or not may_eject:
            return False
        if self._failures < FAILURES and not self.half_open(now):
            return False
        self._until = now + min(LONGEST_S, FIRST_S * 2.0 ** min(self.times, 32))
        self.times += 1
        self._failures = 0
        return True

    def succeeded(self, now: float) -> None:
        """A task ended as tasks should; one that began before the ejection proves nothing."""
        if not self.out(now):
            self._failures = self.times = 0
            self._until = None

    @property
    def clear(self) -> bool:
        """Whether nothing is held against it, and time alone will not change that."""
        return self._until is None

    def out(self, now: float) -> bool:
        """Whether it gets no task at all."""
        return self._until is not None and now < self._until

    def half_open(self, now: float) -> bool:
        """Whether its time is over and nothing has proved it well yet: one task at a time."""
        return self._until is not None and now >= self._until

    def remaining_s(self, now: float) -> float:
        """Seconds until it is tried again; 0 when it is not out."""
        return 0.0 if self._until is None else max(0.0, self._until - now)
