"""Slots: the slots of a worker, and the protocol of any source of slots."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import msgspec

from slotgrid.core.fields import ANYWHERE
from slotgrid.core.priority_queue import TaskClass

PERSISTENT = "persistent"
"""The isolation of a pool whose slots keep their profiles from task to task."""


class NoSlotFree(RuntimeError):
    """`take` found no free slot: the caller did not check `can_serve` first."""


class Slot(msgspec.Struct, frozen=True):
    """A place where one task can run; `index` numbers the slots of its pool, from 0.

    If `remote`, `index` is not the worker's number of the slot.
    """

    index: int
    pool: str
    worker: str
    remote: bool = False

    @property
    def number(self) -> int | None:
        """The worker's number of the slot in its pool; None for a remote slot."""
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

    def queue_limit(self, cls: TaskClass) -> int | None:
        """How many tasks may wait for the one slot that the class names; None without a limit."""


@dataclass(frozen=True, slots=True)
class PoolCount:
    """The slot counts of a pool; `isolation` is what the pool gives its tasks, None if unstated."""

    size: int
    free: int
    busy: int
    isolation: str | None = None

    def to_json(self) -> dict[str, object]:
        """The counts as `GET /health` shows them."""
        counts: dict[str, object] = {"size": self.size, "free": self.free, "busy": self.busy}
        return counts if self.isolation is None else counts | {"isolation": self.isolation}


class Slots:
    """The slots of this worker, divided into pools.

    The slots of the `persistent` pools differ, as each keeps a profile: a task may ask for one by
    its number. `queue_limits` bounds, by pool, how many tasks may wait for one such slot.
    While `held` contains a reason, `take` hands out no slot; `give_back` still works. A slot that
    is down is handed out again when it is up.
    """

    def __init__(
        self,
        pools: Mapping[str, int],
        *,
        worker: str,
        persistent: Collection[str] = (),
        queue_limits: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        self._sizes = dict(pools)
        self.persistent = frozenset(persistent)
        self.queue_limits = {pool: queue_limits[pool] for pool in queue_limits if pool in pools}
        self._taken: set[Slot] = set()
        self._down: dict[tuple[str, int], str] = {}
        self._parked: dict[tuple[str, int], Slot] = {}
        self.held: str | None = None
        self.on_change: Callable[[], None] | None = None
        """Called after a slot was taken or given back."""
        # By number, in the order in which they became free.
        self._free: dict[str, dict[int, Slot]] = {
            pool: {number: Slot(number, pool, worker) for number in reversed(range(size))}
            if pool not in self.persistent
            else {number: Slot(number, pool, worker) for number in range(size)}
            for pool, size in pools.items()
        }

    def can_serve(self, cls: TaskClass) -> bool:
        """Whether the class's pool has a free slot, the one it names, and nothing holds it back."""
        free = self._free.get(cls.pool)
        if self.held is not None or not free:
            return False
        return cls.place is ANYWHERE or cls.slot is None or self._has_free(cls.pool, cls.slot)

    def take(self, cls: TaskClass) -> Slot:
        """Take a free slot of the class's pool, the one it names. Raises NoSlotFree."""
        free = self._free.get(cls.pool)
        if self.held is not None or not free:
            raise NoSlotFree(cls.pool)
        if cls.place is ANYWHERE and not self.persistent:  # most tasks
            _, slot = free.popitem()  # the slot used last has warm memory
        else:
            slot = self._take_one(free, cls)
        self._taken.add(slot)
        if self.on_change is not None:
            self.on_change()
        return slot

    def give_back(self, slot: Slot) -> None:
        """Return a slot. Raises KeyError for one that was not taken."""
        self._taken.remove(slot)
        if (slot.pool, slot.index) in self._down:
            self._parked[slot.pool, slot.index] = slot
        else:
            self._free[slot.pool][slot.index] = slot
        if self.on_change is not None:
            self.on_change()

    def set_down(self, pool: str, number: int, reason: str) -> None:
        """Hand out this slot no more; the task that has it keeps it."""
        self._down[pool, number] = reason
        if (slot := self._free[pool].pop(number, None)) is not None:
            self._parked[pool, number] = slot
        if self.on_change is not None:
            self.on_change()

    def set_up(self, pool: str, number: int) -> None:
        """Hand out this slot again."""
        self._down.pop((pool, number), None)
        if (slot := self._parked.pop((pool, number), None)) is not None:
            self._free[pool][number] = slot
        if self.on_change is not None:
            self.on_change()

    def size(self, cls: TaskClass) -> int:
        """How many slots the class can use: those of its pool, or the one that it names.

        0 for a pool or a slot that does not exist.
        """
        size = self._sizes.get(cls.pool, 0)
        if cls.slot is None:
            return size
        return int(cls.pool in self.persistent and cls.slot < size)

    def closed_by(self, cls: TaskClass) -> str | None:
        """The reason why the class gets no slot: all are held or down, or the one it names is none.

        None if its slots are only busy.
        """
        if self.held is None and cls.slot is not None and not self.size(cls):
            return f'the pool "{cls.pool}" has no persistent slot {cls.slot}'
        if self.held is None and self._down:
            return self._down_reason(cls)
        return self.held

    def queue_limit(self, cls: TaskClass) -> int | None:
        """How many tasks may wait for the one slot that the class names; None without a limit."""
        return None if cls.slot is None else self.queue_limits.get(cls.pool)

    @property
    def pools(self) -> dict[str, PoolCount]:
        """The slot counts of each pool."""
        return {
            pool: PoolCount(
                size,
                len(self._free[pool]),
                size - len(self._free[pool]) - self._count_parked(pool),
                PERSISTENT if pool in self.persistent else None,
            )
            for pool, size in self._sizes.items()
        }

    @property
    def sizes(self) -> Mapping[str, int]:
        """How many slots each pool has."""
        return self._sizes

    @property
    def free(self) -> dict[str, int]:
        """How many slots of each pool are free."""
        return {pool: len(free) for pool, free in self._free.items()}

    @property
    def free_slots(self) -> dict[str, tuple[int, ...]]:
        """The numbers of the free slots of each persistent pool, in order."""
        return {pool: tuple(sorted(self._free[pool])) for pool in self.persistent}

    def overall_number(self, slot: Slot) -> int:
        """The number of a slot over all pools, as nodes before protocol 1.4 count."""
        pools = list(self._sizes)
        before = pools[: pools.index(slot.pool)]
        return sum(self._sizes[pool] for pool in before) + slot.index

    @property
    def total(self) -> int:
        """How many slots there are."""
        return sum(self._sizes.values())

    @property
    def used(self) -> int:
        """How many are taken."""
        return len(self._taken)

    def _count_parked(self, pool: str) -> int:
        return sum(of_pool == pool for of_pool, _ in self._parked)

    def _down_reason(self, cls: TaskClass) -> str | None:
        """Why all slots of the class are down; None if one is not."""
        numbers = range(self._sizes.get(cls.pool, 0)) if cls.slot is None else (cls.slot,)
        reasons = [self._down.get((cls.pool, number)) for number in numbers]
        if not reasons or None in reasons:
            return None
        slots = "its slot is" if len(reasons) == 1 else f"its {len(reasons)} slots are"
        return f'the pool "{cls.pool}" gives no slot, {slots} down: {reasons[0]}'

    def _take_one(self, free: dict[int, Slot], cls: TaskClass) -> Slot:
        if cls.slot is not None:
            if not self._has_free(cls.pool, cls.slot):
                raise NoSlotFree(f"{cls.pool}, slot {cls.slot}")
            return free.pop(cls.slot)
        if cls.pool in self.persistent:
            # The one that has been free for longest: a task on its way from a balancer may be for
            # the one that became free just now.
            return free.pop(next(iter(free)))
        return free.popitem()[1]

    def _has_free(self, pool: str, number: int) -> bool:
        return pool in self.persistent and number in self._free[pool]
