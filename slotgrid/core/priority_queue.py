"""The priority queue: one heap per class of tasks, and one key for order and ageing."""

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

from slotgrid.core.fields import ANYWHERE, Place

T = TypeVar("T")


def queue_key(arrival: float, priority: int, ageing_s: float) -> float:
    """The key of a task that arrived at `arrival` (seconds); the smallest key is first.

    FIFO within a priority; a task that arrives more than 8 * `ageing_s` later never overtakes.
    """
    return arrival + (priority - 1) * ageing_s


def arrival_of(key: float, priority: int, ageing_s: float) -> float:
    """The arrival that gives a task of that priority that key: the inverse of `queue_key`."""
    return key - (priority - 1) * ageing_s


class TaskClass(NamedTuple):
    """Tasks that can use the same slots.

    `gate` is the name of a gated function (services, concurrency limit, rate limit), so that its
    tasks do not delay those of other functions; `owner` that of a user whose tasks at once are
    limited, so that they do not delay those of others.
    """

    group: str
    contract: int
    pool: str
    place: Place = ANYWHERE
    gate: str | None = None
    owner: str | None = None

    @property
    def gated(self) -> bool:
        """Whether a start needs more than a free slot."""
        return self.gate is not None or self.owner is not None

    @property
    def slot(self) -> int | None:
        """The number of the one slot of the pool that its tasks wait for; None for any slot."""
        return self.place.slot

    @property
    def share(self) -> "TaskClass":
        """The class of all tasks of a group, contract and pool: they compete for the same slots.

        The tasks of one slot are a share of their own: they run one after the other.
        """
        if self.place is ANYWHERE and not self.gated:
            return self
        if self.slot is None:
            return TaskClass(self.group, self.contract, self.pool)
        place = Place(worker=self.place.worker, pool=self.pool, slot=self.slot)
        return TaskClass(self.group, self.contract, self.pool, place)


@dataclass(slots=True, order=True)
class Entry(Generic[T]):
    """One waiting item. The smallest is first; `sequence` keeps equal keys in order of arrival."""

    key: float
    sequence: int
    cls: TaskClass = field(compare=False)
    item: T = field(compare=False)
    bounded: bool = field(default=True, compare=False)
    waiting: bool = field(default=True, compare=False)


class TaskQueue(Generic[T]):
    """Waiting items by class, smallest `queue_key` first.

    Keys never change, so entries are never sorted again. `limit` bounds the entries that were
    pushed as `bounded`; the others are also on disk.
    A pop costs log(entries of its class) plus the number of waiting classes.
    """

    def __init__(self, *, limit: int, ageing_s: float) -> None:
        self.limit = limit
        self._ageing_s = ageing_s
        self._heaps: dict[TaskClass, list[Entry[T]]] = {}
        self._length = 0
        self._bounded = 0
        self._dead = 0
        self._sequence = 0

    def __len__(self) -> int:
        return self._length

    @property
    def full(self) -> bool:
        """Whether the bounded entries have reached the limit."""
        return self._bounded >= self.limit

    def push(
        self, cls: TaskClass, item: T, *, priority: int, arrival: float, bounded: bool = True
    ) -> Entry[T]:
        """Add an item that arrived at `arrival` (monotonic seconds); the caller checks `full`.

        A requeued item with its first arrival returns to its old place.
        """
        self._sequence += 1
        key = queue_key(arrival, priority, self._ageing_s)
        entry = Entry(key, self._sequence, cls, item, bounded)
        heapq.heappush(self._heaps.setdefault(cls, []), entry)
        self._length += 1
        self._bounded += bounded
        return entry

    def remove(self, entry: Entry[T]) -> bool:
        """Remove an entry before its turn; False if it has already left."""
        if not entry.waiting:
            return False
        entry.waiting = False
        self._length -= 1
        self._bounded -= entry.bounded
        self._dead += 1
        # Removed entries stay in their heap until they reach its top. When they outnumber the
        # waiting ones, all heaps are swept: amortized constant cost per removal.
        if self._dead > self._length + 32:
            self._sweep()
        return True

    def pop(self, servable: Callable[[TaskClass], bool]) -> Entry[T] | None:
        """Remove and return the entry with the smallest key among the servable classes."""
        best: Entry[T] | None = None
        for cls in list(self._heaps):
            head = self._head(cls)
            if head is not None and (best is None or head < best) and servable(cls):
                best = head
        if best is None:
            return None
        heap = self._heaps[best.cls]
        heapq.heappop(heap)
        if not heap:
            del self._heaps[best.cls]
        best.waiting = False
        self._length -= 1
        self._bounded -= best.bounded
        return best

    def count_bounded(self, which: Callable[[TaskClass], bool]) -> int:
        """How many bounded entries of those classes wait."""
        return sum(
            entry.waiting and entry.bounded
            for cls, heap in self._heaps.items()
            if which(cls)
            for entry in heap
        )

    def waits(self, cls: TaskClass) -> bool:
        """Whether anything of that class is waiting."""
        return self._head(cls) is not None

    def classes(self) -> list[TaskClass]:
        """The classes that have a waiting entry."""
        return [cls for cls in list(self._heaps) if self._head(cls) is not None]

    def position(self, entry: Entry[T]) -> int:
        """1 = next among the entries that share its slots; 0 if it has left the queue."""
        if not entry.waiting:
            return 0
        share = entry.cls.share
        return 1 + sum(
            other.waiting and other < entry
            for cls, heap in self._heaps.items()
            if cls.share == share
            for other in heap
        )

    def reclassify(self, cls: TaskClass, class_of: Callable[[T], TaskClass]) -> None:
        """Move the entries of the class to the classes that `class_of` returns; keys stay."""
        for entry in self._heaps.pop(cls, []):
            if entry.waiting:
                entry.cls = class_of(entry.item)
                heapq.heappush(self._heaps.setdefault(entry.cls, []), entry)
            else:
                self._dead -= 1

    def entries(self) -> Iterator[Entry[T]]:
        """Every waiting entry, in no order."""
        for heap in self._heaps.values():
            yield from (entry for entry in heap if entry.waiting)

    def _head(self, cls: TaskClass) -> Entry[T] | None:
        heap = self._heaps.get(cls)
        while heap:
            if heap[0].waiting:
                return heap[0]
            heapq.heappop(heap)
            self._dead -= 1
        self._heaps.pop(cls, None)
        return None

    def _sweep(self) -> None:
        for cls, heap in list(self._heaps.items()):
            kept = [entry for entry in heap if entry.waiting]
            heapq.heapify(kept)
            self._heaps[cls] = kept
            if not kept:
                del self._heaps[cls]
        self._dead = 0
