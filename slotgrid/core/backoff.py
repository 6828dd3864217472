"""Backoff between retries."""

import random


def backoff_s(tries: int, *, base_s: float, ceiling_s: float) -> float:
    """Seconds to wait after that many failed tries (1 for the first).

    Doubles each time up to the ceiling. Jitter takes off up to half, so that clients that failed
    together do not retry together.
    """
    full = min(ceiling_s, base_s * 2.0 ** min(tries - 1, 32))
    return full * random.uniform(0.5, 1.0)  # noqa: S311  spreads load, no secret
