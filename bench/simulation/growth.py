"""The cost of a decision and of a report in fleets of growing size."""

import random
import time
from collections.abc import Callable
from statistics import median

from balancer.fleet.fleet import Fleet
from balancer.fleet.worker import Counts, Worker
from bench.simulation.slotgrid_fleet import FUNCTION, POOL, counts, hello, report
from slotgrid.core.fields import Place
from slotgrid.core.priority_queue import TaskClass
from slotgrid.core.slots import Slot

SIZES = (10, 100, 1_000, 10_000)
SLOTS = 4
USED = 0.9
ROUNDS = 7
PER_ROUND = 2_000
PLAIN = TaskClass("default", 1, POOL)
LABELLED = PLAIN._replace(place=Place(labels=(("zone", "a"),)))


class BusyFleet:
    """A fleet with nine tenths of its slots taken; half of the workers are in each zone."""

    def __init__(self, size: int) -> None:
        self._chance = random.Random(size)
        self.fleet = Fleet(chance=self._chance.random)
        self._free: dict[str, int] = {}
        self._seq = 0
        self._workers = [self._join(number) for number in range(size)]
        self._running: dict[str, list[Slot]] = {"a": [], "b": []}
        for _ in range(int(size * SLOTS * USED)):
            self._start(PLAIN)

    def decide(self) -> None:
        """End one task and return its slot; choose a worker for another task, send and start it."""
        self._end(self._chance.choice("ab"))
        self._start(PLAIN)

    def decide_labelled(self) -> None:
        """The same for tasks that are placed in one of the zones."""
        self._end("a")
        self._start(LABELLED)

    def report(self) -> None:
        """Apply a report with a new load."""
        worker = self._chance.choice(self._workers)
        load = self._chance.uniform(0, 100)
        self._seq += 1
        said = report(self._seq, self._free[worker.name], cpu_percent=load)
        self.fleet.reported(worker, said)

    def _start(self, cls: TaskClass) -> None:
        assert self.fleet.can_serve(cls)
        slot = self.fleet.take(cls)
        self._free[slot.worker] -= 1
        self.fleet.started(slot, self._counts(slot.worker))
        self._running[_zone(slot.worker)].append(slot)

    def _end(self, zone: str) -> None:
        running = self._running[zone]
        number = self._chance.randrange(len(running))
        running[number], slot = running[-1], running[number]
        running.pop()
        self._free[slot.worker] += 1
        self.fleet.ended(slot, self._counts(slot.worker))
        self.fleet.give_back(slot)

    def _join(self, number: int) -> Worker:
        name = f"w{number}"
        self._free[name] = SLOTS
        said = hello(name, SLOTS, report(0, SLOTS), zone=_zone(name))
        return self.fleet.joined(said, [FUNCTION])

    def _counts(self, name: str) -> Counts:
        self._seq += 1
        return counts(self._seq, self._free[name])


def cost_us(deed: Callable[[], None]) -> float:
    """Microseconds of CPU for one call, the median of several rounds."""
    rounds = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(PER_ROUND):
            deed()
        rounds.append((time.process_time() - began) / PER_ROUND * 1e6)
    return median(rounds)


def growth() -> list[tuple[int, float, float, float]]:
    """For each size: µs for a task, for a task with labels, for a report."""
    return [_costs_at(size) for size in SIZES]


def _costs_at(size: int) -> tuple[int, float, float, float]:
    busy = BusyFleet(size)
    plain = cost_us(busy.decide)
    busy.decide_labelled()  # builds the index, once
    return size, plain, cost_us(busy.decide_labelled), cost_us(busy.report)


def _zone(name: str) -> str:
    return "ab"[int(name[1:]) % 2]
