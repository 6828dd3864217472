"""How many durable tasks wait at this node: followed in memory, and counted again on record."""

import asyncio
from collections.abc import Awaitable, Callable

from slotgrid.core.errors import DatabaseUnavailable

RECOUNT_S = 0.5
"""Pause between two attempts to count while nothing changes."""


class WaitingCount:
    """The number, which each acceptance, start and end changes.

    `assume` sets it after an outage or a takeover, while tasks come and start: it may be off by
    those. `keep` then counts the record until nothing has changed meanwhile.

    `on_record` reads the number from the record; `is_settled` is whether the record shows all that
    memory knows.
    """

    def __init__(
        self, on_record: Callable[[], Awaitable[int]], is_settled: Callable[[], bool]
    ) -> None:
        self._on_record = on_record
        self._is_settled = is_settled
        self._changes = 0
        self._assumed = asyncio.Event()
        self.value = 0

    def add(self, by: int) -> None:
        """So many more wait; fewer if it is below 0."""
        self.value += by
        self._changes += 1

    def assume(self, value: int) -> None:
        """Take it to be so many until it can be counted for certain."""
        self.value = value
        self._changes += 1
        self._assumed.set()

    async def keep(self) -> None:
        """Make each assumed number exact."""
        while True:
            await self._assumed.wait()
            self._assumed.clear()
            if not await self._count():
                self._assumed.set()
                await asyncio.sleep(RECOUNT_S)

    async def _count(self) -> bool:
        changes = self._changes
        if not self._is_settled():
            return False
        try:
            found = await self._on_record()
        except DatabaseUnavailable:
            return False
        if changes != self._changes or not self._is_settled():
            return False
        self.value = found
        return True
