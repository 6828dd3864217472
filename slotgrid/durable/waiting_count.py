"""Number of durable tasks that wait at this node: tracked in memory, recounted on record."""

import asyncio
from collections.abc import Awaitable, Callable

from slotgrid.core.errors import DatabaseUnavailable

RECOUNT_S = 0.5
"""Pause before the next attempt at a count during which no task changes."""


class WaitingCount:
    """The number, which each acceptance, start and end changes.

    `assume` sets an approximate value after an outage or a takeover, while tasks arrive and start.
    `keep` then recounts the record until no task changes during the count.

    `on_record` reads the number from the record; `is_consistent` returns whether record and memory
    agree.
    """

    def __init__(
        self, on_record: Callable[[], Awaitable[int]], is_consistent: Callable[[], bool]
    ) -> None:
        self._on_record = on_record
        self._is_consistent = is_consistent
        self._changes = 0
        self._assumed = asyncio.Event()
        self.value = 0

    def add(self, by: int) -> None:
        """Add `by` to the number; it may be negative."""
        self.value += by
        self._changes += 1

    def assume(self, value: int) -> None:
        """Set an approximate value until the next exact count."""
        self.value = value
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
        self.value = found
        return True
