"""Waits until a recorded task is loaded from disk."""

import asyncio
from contextlib import suppress

from slotgrid.core.errors import DatabaseUnavailable
from slotgrid.core.task import Task
from slotgrid.records.task_repository import Record, TaskRepository

POLL_S = 0.5
"""Interval of looking up a recorded task, to see whether it is in memory or has ended."""


async def until_loaded(repository: TaskRepository, record: Record) -> Task | None:
    """The task, once this process has loaded it from disk; None if it has ended elsewhere."""
    found: Task | Record | None = record
    while isinstance(found, Record) and not found.state.terminal:
        await asyncio.sleep(POLL_S)
        with suppress(DatabaseUnavailable):  # the next lookup may succeed
            found = await repository.find(record.id)
    return found if isinstance(found, Task) else None
