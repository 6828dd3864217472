"""The retry schedule of webhooks: backoff over hours."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrySchedule:
    """The backoff after each failed attempt: exponential, with a ceiling and with jitter.

    With the defaults, a receiver that is down gets nine attempts within at most 13.6 hours:

    | after failure | at most    | since the first, at most |
    |---------------|------------|--------------------------|
    | 1             | 5 s        | 5 s                      |
    | 2             | 20 s       | 25 s                     |
    | 3             | 1 min 20 s | 1 min 45 s               |
    | 4             | 5 min 20 s | 7 min 5 s                |
    | 5             | 21 min     | 28 min                   |
    | 6             | 1 h 25 min | 1 h 54 min               |
    | 7             | 5 h 41 min | 7 h 35 min               |
    | 8             | 6 h        | 13 h 35 min              |

    Jitter shortens each wait by up to half, so that deliveries that failed together are not retried
    together. The first waits are short, since most faults are restarts; the last ones are long
    enough for an outage of one night.

    `retries`: the number of attempts after the first. `chance` returns numbers in [0, 1).
    Raises ValueError unless retries >= 0, factor >= 1 and 0 < base_s <= ceiling_s.
    """

    retries: int = 8
    base_s: float = 5.0
    factor: float = 4.0
    ceiling_s: float = 6 * 3600.0
    chance: Callable[[], float] = field(default=random.random, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.retries < 0 or self.factor < 1 or not 0 < self.base_s <= self.ceiling_s:
            raise ValueError(
                f"expected retries >= 0, factor >= 1 and 0 < base_s <= ceiling_s, got {self}"
            )

    def delay_s(self, failures: int, *, asked_s: float | None = None) -> float | None:
        """Seconds to wait after that many failures (1 after the first); None to give up.

        `asked_s`: the receiver's `Retry-After`, a lower bound of the wait, up to the ceiling.
        """
        if failures > self.retries:
            return None
        wait_s = self.base_s
        for _ in range(failures - 1):  # a power would overflow
            wait_s = min(wait_s * self.factor, self.ceiling_s)
        wait_s *= 1 - self.chance() / 2
        return max(wait_s, min(asked_s or 0.0, self.ceiling_s))
