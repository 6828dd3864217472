"""Reads and writes the record of a flow, however long an outage of the database lasts."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from slotgrid.backoff import Backoff
from slotgrid.core.errors import DatabaseUnavailable
from slotgrid.records.database import Database
from slotgrid.records.database_connections import Work

T = TypeVar("T")

RETRY = Backoff(first_s=0.5, ceiling_s=15.0)


class FlowRecord:
    """The database as a flow uses it: an outage delays a flow and does not end it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.has_other_nodes = not database.is_sqlite
        """Whether other nodes may write to it."""

    async def read(self, work: Work[T]) -> T:
        """As `Database.read`."""
        return await _until_done(lambda: self._database.read(work))

    async def write(self, work: Work[T]) -> T:
        """As `Database.write`."""
        return await _until_done(lambda: self._database.write(work))


async def _until_done(do: Callable[[], Awaitable[T]]) -> T:
    tries = 0
    while True:
        try:
            return await do()
        except DatabaseUnavailable:
            tries += 1
        await asyncio.sleep(RETRY.pause_s(tries))
