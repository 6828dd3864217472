"""Policies with early binding: a task gets a worker on arrival, and waits in that worker's queue.

Each policy gets the best conditions: no network latency, and a current state of each worker,
except for the policy with old reports.
"""

import heapq
import math
import random
from collections.abc import Callable, Sequence
from typing import Protocol

from bench.simulation.jobs import Job

REPORT_EVERY_S = 1.0


class Station:
    """A worker with a queue of its own, served in order of arrival."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self._free_at = [-math.inf] * slots
        self._departures: list[float] = []

    def present(self, now: float) -> int:
        """How many jobs wait or run there. `now` never decreases."""
        while self._departures and self._departures[0] <= now:
            heapq.heappop(self._departures)
        return len(self._departures)

    def serve(self, job: Job) -> float:
        """Take an arriving job; returns its wait in seconds."""
        starts = max(job.at, self._free_at[0])
        heapq.heapreplace(self._free_at, starts + job.service_s)
        heapq.heappush(self._departures, starts + job.service_s)
        return starts - job.at


class Policy(Protocol):
    """Chooses the worker of a task on its arrival."""

    def resolve(self, now: float) -> Station:
        """The worker."""


class RoundRobin:
    """The workers in turn."""

    def __init__(self, stations: Sequence[Station], _: random.Random) -> None:
        self._stations = stations
        self._turn = 0

    def resolve(self, now: float) -> Station:
        self._turn += 1
        return self._stations[self._turn % len(self._stations)]


class Random:
    """A random worker."""

    def __init__(self, stations: Sequence[Station], chance: random.Random) -> None:
        self._stations = stations
        self._chance = chance

    def resolve(self, now: float) -> Station:
        return self._chance.choice(self._stations)


class PowerOfTwo:
    """The shorter queue of two random workers."""

    def __init__(self, stations: Sequence[Station], chance: random.Random) -> None:
        self._stations = stations
        self._chance = chance

    def resolve(self, now: float) -> Station:
        return min(self._chance.sample(self._stations, 2), key=lambda one: one.present(now))


class ShortestQueueOfOldReports:
    """The shortest queue by reports once a second, so tasks pile up until the next reports."""

    def __init__(self, stations: Sequence[Station], chance: random.Random) -> None:
        self._stations = stations
        self._chance = chance
        self._next_report = 0.0
        self._lengths = [0] * len(stations)

    def resolve(self, now: float) -> Station:
        if now >= self._next_report:
            reported_at = now - now % REPORT_EVERY_S
            self._lengths = [station.present(reported_at) for station in self._stations]
            self._next_report = reported_at + REPORT_EVERY_S
        shortest = min(self._lengths)
        at = [n for n, length in enumerate(self._lengths) if length == shortest]
        return self._stations[self._chance.choice(at)]


class IdleQueue:
    """A worker with a free slot if there is one, else a random worker."""

    def __init__(self, stations: Sequence[Station], chance: random.Random) -> None:
        self._stations = stations
        self._chance = chance

    def resolve(self, now: float) -> Station:
        idle = [station for station in self._stations if station.present(now) < station.slots]
        return self._chance.choice(idle or self._stations)


POLICIES: dict[str, Callable[[Sequence[Station], random.Random], Policy]] = {
    "random": Random,
    "round robin": RoundRobin,
    "shortest queue, old reports": ShortestQueueOfOldReports,
    "power of two choices": PowerOfTwo,
    "join idle queue": IdleQueue,
}


def waits_of(policy: str, jobs: Sequence[Job], *, workers: int, slots: int) -> list[float]:
    """The wait of each job in seconds, at `workers` workers of `slots` slots."""
    stations = [Station(slots) for _ in range(workers)]
    chooses = POLICIES[policy](stations, random.Random(1))
    return [chooses.resolve(job.at).serve(job) for job in jobs]
