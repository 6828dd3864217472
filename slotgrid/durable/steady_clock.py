"""A clock for waiting tasks that ignores changes of the system clock."""

import time
from collections.abc import Callable


class SteadyClock:
    """Seconds since the epoch: the system clock at the start, plus monotonic time since then.

    Arrivals and waits use this clock, so that a change of the system clock changes no order and
    ends no wait. Calendar times (`not_before`, `expires_at`) follow the system clock.
    """

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._monotonic = monotonic
        self._epoch = wall() - monotonic()

    def __call__(self) -> float:
        """Now."""
        return self._epoch + self._monotonic()

    def monotonic(self, at: float) -> float:
        """The time `at`, converted to the monotonic clock."""
        return at - self._epoch
