"""Backoff: growing pauses between retries."""

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses of `first_s` seconds, then of `factor` times the last one each, up to `ceiling_s`."""

    first_s: float
    ceiling_s: float
    factor: float = 2.0

    def full_s(self, failures: int) -> float:
        """Seconds to wait after that many failures in a row (1 for the first), without jitter."""
        # The bound of the exponent keeps the power finite; by then, the ceiling is long reached.
        return min(self.ceiling_s, self.first_s * self.factor ** min(failures - 1, 32))

    def pause_s(self, failures: int) -> float:
        """Seconds to wait after that many failures in a row (1 for the first), with jitter.

        Jitter takes off up to half, so that clients that failed together do not retry together.
        """
        return self.full_s(failures) * random.uniform(0.5, 1.0)  # noqa: S311  no secret
