"""The arriving jobs: random arrival times and random durations."""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

MEAN_S = 1.0
"""Mean service time: that of a typical browser task."""
SPREAD = 4.0
"""Variance over squared mean of the heavy-tailed service; 1 is exponential."""

Service = Callable[[random.Random], float]


@dataclass(frozen=True, slots=True)
class Job:
    """One task: arrival time and duration, both in seconds."""

    at: float
    service_s: float


def exponential(chance: random.Random) -> float:
    """Service times of the M/M/c queue."""
    return chance.expovariate(1 / MEAN_S)


def heavy_tailed(chance: random.Random) -> float:
    """Lognormal service times: most are short, a few are very long."""
    sigma2 = math.log(1 + SPREAD)
    return chance.lognormvariate(math.log(MEAN_S) - sigma2 / 2, math.sqrt(sigma2))


SERVICES: dict[str, Service] = {"exponential": exponential, "heavy-tailed": heavy_tailed}


def poisson(service: Service, *, load: float, slots: int, count: int, seed: int) -> list[Job]:
    """Random arrivals that use that share of the slots, on average."""
    chance = random.Random(seed)
    rate, at, jobs = load * slots / MEAN_S, 0.0, []
    for _ in range(count):
        at += chance.expovariate(rate)
        jobs.append(Job(at, service(chance)))
    return jobs


def mean(values: Sequence[float]) -> float:
    """The arithmetic mean."""
    return math.fsum(values) / len(values)
