"""A rate limit on the requests of one user."""

import math
import time
from collections.abc import Callable

from slotgrid.function import Rate

_PERIODS = {1.0: "a second", 60.0: "a minute", 3600.0: "an hour", 86400.0: "a day"}


class RateLimit:
    """A token bucket: `count` requests at once, then one each `period_s / count` seconds.

    A single number, the moment when the bucket is full again, so it costs the same at any rate.
    """

    def __init__(self, rate: Rate, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate = rate
        self._every_s = rate.period_s / rate.count
        self._clock = clock
        self._full_at = -math.inf

    @property
    def in_words(self) -> str:
        """The limit for a person: `10 requests a minute`."""
        return f"{self.rate.count} requests {_PERIODS[self.rate.period_s]}"

    def take(self) -> float:
        """Count a request: 0.0 if it is within the limit, else the seconds until one will be."""
        now = self._clock()
        full_at = max(now, self._full_at) + self._every_s
        late_s = full_at - now - self.rate.period_s
        # Within a rounding error of many additions it is still the last one of the bucket.
        if late_s > self._every_s * 1e-6:
            return late_s
        self._full_at = full_at
        return 0.0
