"""Waiting until a recorded task is taken up from disk."""

import asyncio
from contextlib import suppress

from slotgrid.core.errors import DatabaseUnavailable
from slotgrid.core.task import Task
from slotgrid.records.ledger import Ledger, Record

POLL_S = 0.5
"""How often a recorded task is looked up, to see whether it has started or ended."""


async def taken_up(ledger: Ledger, record: Record) -> Task | None:
    """The task, once this process takes it up from disk; None when it has ended elsewhere."""
    found: Task | Record | None = record
    while isinstance(found, Record) and not found.state.terminal:
        await asyncio.sleep(POLL_S)
        with suppress(DatabaseUnavailable):  # the next look may succeed
            found = await ledger.find(record.id)
    return found if isinstance(found, Task) else None
