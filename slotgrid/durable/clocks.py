"""A clock for what waits: the system's clock may be set while tasks do."""

import time
from collections.abc import Callable


class SteadyClock:
    """Seconds since the epoch, as the system clock said at the start, and evenly from there on.

    Arrivals and waits are measured by it, so that whoever sets the system clock changes no order
    and ends no wait. What is meant by the calendar (`not_before`, `expires_at`) follows the
    system clock.
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
        """The same moment by the monotonic clock."""
        return at - self._epoch
