"""Number of durable tasks that wait at this node: tracked in memory, recounted on record."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

from slotgrid.core.errors import DatabaseUnavailable
from slotgrid.core.fields import ANYWHERE, Place

RECOUNT_S = 0.5
"""Pause before the next attempt at a count during which no task changes."""


Waiting = Counter[Place]
"""Numbers of tasks by the slot that they wait for (`Place.slot_only`); the others by ANYWHERE."""


class WaitingCount:
    """The number, which each acceptance, start and end changes; also for each slot that is named.

    `assume` sets an approximate value after an outage or a takeover, while tasks arrive and start.
    `keep` then recounts the record until no task changes during the count.

    `on_record` reads the number from the record; `is_consistent` returns whether record and memory
    agree.
    """

    def __init__(
        self, on_record: Callable[[], Awaitable[Waiting]], is_consistent: Callable[[], bool]
    ) -> None:
        self._on_record = on_record
        self._is_consistent = is_consistent
        self._changes = 0
        self._assumed = asyncio.Event()
        self.value = 0
        self._by_slot: Waiting = Counter()

    def add(self, by: int, place: Place = ANYWHERE) -> None:
        """Add `by` to the number, and to that of the slot that `place` names; may be negative."""
        self.value += by
        self._changes += 1
        if place.slot is not None:
            slot = place.slot_only()
            self._by_slot[slot] += by
            if not self._by_slot[slot]:
                del self._by_slot[slot]

    def of_slot(self, place: Place) -> int:
        """How many tasks wait for the slot that `place` names."""
        return sum(count for slot, count in self._by_slot.items() if slot.same_slot(place))

    def assume(self, waiting: Waiting) -> None:
        """Set approximate values until the next exact count."""
        self._set(waiting)
        self._changes += 1
        self._assumed.set()

    async def run(self) -> None:
        """Replace each approximate value by an exact count."""
        while True:
            await self._assumed.wait()
            self._assumed.clear()
            if not await self._count():
                self._assumed.set()
                await asyncio.sleep(RECOUNT_S)

    async def _count(self) -> bool:
        changes = self._changes
        if not self._is_consistent():
            return False
        try:
            found = await self._on_record()
        except DatabaseUnavailable:
            return False
        if changes != self._changes or not self._is_consistent():
            return False
        self._set(found)
        return True

    def _set(self, waiting: Waiting) -> None:
        self.value = waiting.total()
        self._by_slot = Counter(
            {slot: count for slot, count in waiting.items() if slot.slot is not None and count}
        )
