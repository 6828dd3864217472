"""How long to wait before trying again."""

import random


def backoff_s(tries: int, *, base_s: float, ceiling_s: float) -> float:
    """Seconds to wait after that many failed tries (1 for the first).

    Doubles each time up to the ceiling, less up to half of itself by chance, so that those
    who failed together do not come back together.
    """
    full = min(ceiling_s, base_s * 2.0 ** min(tries - 1, 32))
    return full * random.uniform(0.5, 1.0)  # noqa: S311  spreads load, hides nothing
