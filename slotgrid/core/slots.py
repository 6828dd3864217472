"""Slots: the slots of a worker, and the protocol of any source of slots."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import msgspec

from slotgrid.core.priority_queue import TaskClass


class NoSlotFree(RuntimeError):
    """`take` found no free slot: the caller did not check `can_serve` first."""


class Slot(msgspec.Struct, frozen=True):
    """A place where one task can run. If `remote`, `index` is not the worker's slot number."""

    index: int
    pool: str
    worker: str
    remote: bool = False

    @property
    def number(self) -> int | None:
        """The worker's number of the slot; None for a remote slot."""
        return None if self.remote else self.index


class SlotSource(Protocol):
    """A source of free slots: this machine (worker) or the fleet (balancer)."""

    def can_serve(self, cls: TaskClass) -> bool:
        """Whether a task of that class could take a slot now."""

    def take(self, cls: TaskClass) -> Slot:
        """Take a slot for a task of that class. Raises NoSlotFree."""

    def give_back(self, slot: Slot) -> None:
        """Return a taken slot."""

    def size(self, cls: TaskClass) -> int:
        """How many slots tasks of that class can use, free or busy."""

    def closed_by(self, cls: TaskClass) -> str | None:
        """The reason why the class gets no slot although some may be free; None without one."""


@dataclass(frozen=True, slots=True)
class PoolCount:
    """The slot counts of a pool."""

    size: int
    free: int
    busy: int


class Slots:
    """The slots of this worker, divided into pools.

    While `held` contains a reason, `take` hands out no slot; `give_back` still works.
    """

    def __init__(self, pools: Mapping[str, int], *, worker: str) -> None:
        self._sizes = dict(pools)
        self._free: dict[str, list[Slot]] = {}
        self._taken: set[Slot] = set()
        self.held: str | None = None
        self.on_change: Callable[[], None] | None = None
        """Called after a slot was taken or given back."""
        index = 0
        for pool, size in pools.items():
            slots = [Slot(index + n, pool, worker) for n in range(size)]
            index += size
            # `take` pops from the end: the slot used last has warm memory.
            self._free[pool] = slots[::-1]

    def can_serve(self, cls: TaskClass) -> bool:
        """Whether the class's pool has a free slot and nothing holds slots back."""
        return self.held is None and bool(self._free.get(cls.pool))

    def take(self, cls: TaskClass) -> Slot:
        """Take a free slot of the class's pool. Raises NoSlotFree."""
        free = self._free.get(cls.pool)
        if self.held is not None or not free:
            raise NoSlotFree(cls.pool)
        slot = free.pop()
        self._taken.add(slot)
        if self.on_change is not None:
            self.on_change()
        return slot

    def give_back(self, slot: Slot) -> None:
        """Return a slot. Raises KeyError for one that was not taken."""
        self._taken.remove(slot)
        self._free[slot.pool].append(slot)
        if self.on_change is not None:
            self.on_change()

    def size(self, cls: TaskClass) -> int:
        """How many slots the class's pool has; 0 for one that does not exist."""
        return self._sizes.get(cls.pool, 0)

    def closed_by(self, cls: TaskClass) -> str | None:
        """The reason why no slot is handed out, the same for every class; None without one."""
        return self.held

    @property
    def pools(self) -> dict[str, PoolCount]:
        """The slot counts of each pool."""
        return {
            pool: PoolCount(size, free := len(self._free[pool]), size - free)
            for pool, size in self._sizes.items()
        }

    @property
    def free(self) -> dict[str, int]:
        """How many slots of each pool are free."""
        return {pool: len(free) for pool, free in self._free.items()}

    @property
    def total(self) -> int:
        """How many slots there are."""
        return sum(self._sizes.values())

    @property
    def used(self) -> int:
        """How many are taken."""
        return len(self._taken)
