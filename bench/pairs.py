"""Two servers measured in turn: ratios are taken within each round."""

from dataclasses import dataclass, field
from statistics import median

from bench.load import Load


@dataclass
class Pair:
    """Rounds of ours, and of the reference.

    Other load on the machine slows both loads of a round alike, so the result is the median of
    the ratios of each round; CPU is even steadier.
    """

    ours: list[Load] = field(default_factory=list)
    bare: list[Load] = field(default_factory=list)

    def rate_ratio(self) -> float:
        """Ours divided by the reference, in answers a second."""
        return median(o.per_s / b.per_s for o, b in zip(self.ours, self.bare, strict=True))

    def cpu_ratio(self) -> float:
        """The reference's CPU per answer divided by ours: above 1 means that ours costs less."""
        return median(b.cpu_us / o.cpu_us for o, b in zip(self.ours, self.bare, strict=True))


def per_s(loads: list[Load]) -> float:
    """Median of the rounds' rates."""
    return median(load.per_s for load in loads)


def cpu_us(loads: list[Load]) -> float:
    """Median of the rounds' CPU for each answer, in microseconds."""
    return median(load.cpu_us for load in loads)


def percentile_ms(loads: list[Load], percent: int) -> float:
    """Median of the rounds' percentile of latency, in milliseconds."""
    return median(load.percentile_ms(percent) for load in loads)
