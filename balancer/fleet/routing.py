"""Which worker gets a task: pure decisions, logarithmic in the size of the fleet."""

import heapq
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

Rank = tuple[float, float]
LOAD_STEP = 0.1
"""Smaller differences of load are noise of one second, and would change every worker's rank."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What a class of tasks needs of a worker of its group and contract, besides a free slot."""

    pool: str
    labels: tuple[tuple[str, str], ...] = ()
    services: tuple[str, ...] = ()

    def met_by(self, labels: Collection[tuple[str, str]], down: Collection[str]) -> bool:
        """Whether a worker with those labels and those services down meets the needs."""
        if not self.labels and not self.services:  # fast path: most classes need neither
            return True
        return all(label in labels for label in self.labels) and not any(
            service in down for service in self.services
        )


def rank(*, free: int, size: int, weight: float, load: float) -> Rank:
    """The rank of a worker among those with a free slot; the smallest is first.

    Largest share of free slots times weight; ties by the least load (0 to 1).
    """
    return (-free / size * weight, round(load / LOAD_STEP))


class Ranking(Generic[T]):
    """The best of many items whose ranks change all the time.

    A heap with lazy deletion: an outdated entry stays until it surfaces. A change costs a push
    and later a pop, each logarithmic. The heap is rebuilt when the outdated entries are the
    larger half, which costs amortized constant time for each change.
    """

    def __init__(self, chance: Callable[[], float]) -> None:
        self._chance = chance
        self._heap: list[tuple[Rank, float, int, str]] = []
        self._current: dict[str, tuple[Rank, int, T]] = {}
        self._changes = 0

    def __len__(self) -> int:
        return len(self._current)

    def __iter__(self) -> Iterator[T]:
        return (item for _, _, item in self._current.values())

    def put(self, name: str, rank: Rank, item: T) -> None:
        """Set the item and rank of that name."""
        current = self._current.get(name)
        if current is not None and current[0] == rank and current[2] is item:
            return
        self._changes += 1
        self._current[name] = (rank, self._changes, item)
        # Ties break at random, or several balancers would all choose the same worker.
        heapq.heappush(self._heap, (rank, self._chance(), self._changes, name))
        if len(self._heap) > 2 * len(self._current) + 32:
            self._sweep()

    def remove(self, name: str) -> None:
        """Remove the item of that name, if there is one."""
        self._current.pop(name, None)

    def first(self) -> T | None:
        """The item of the smallest rank; None if there is none."""
        heap = self._heap
        while heap:
            current = self._current.get(heap[0][3])
            if current is not None and current[1] == heap[0][2]:
                return current[2]
            heapq.heappop(heap)
        return None

    def _sweep(self) -> None:
        self._heap = [entry for entry in self._heap if self._is_current(entry)]
        heapq.heapify(self._heap)

    def _is_current(self, entry: tuple[Rank, float, int, str]) -> bool:
        current = self._current.get(entry[3])
        return current is not None and current[1] == entry[2]
