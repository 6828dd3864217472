"""Records the start of a task before its run. The task holds a slot, so time is limited."""

import asyncio
from functools import partial

from slotgrid.core.errors import DatabaseUnavailable
from slotgrid.records.background_writes import BackgroundWrites, retry_until_written
from slotgrid.records.database import Database
from slotgrid.records.store import state_changes
from slotgrid.records.store.state_changes import StateChange

WITHIN_S = 2.0


class StartRecorder:
    """Records starts within WITHIN_S seconds.

    Whether a later start is recorded is unknown, so it is undone. Until the undo is certain, all
    other starts are refused.
    """

    def __init__(self, database: Database, writes: BackgroundWrites) -> None:
        self._database = database
        self._writes = writes
        self._unsure: set[str] = set()

    async def record(self, change: StateChange) -> bool:
        """Record a start; False if the task is no longer ours. Raises DatabaseUnavailable."""
        if self._unsure:
            raise DatabaseUnavailable("the database does not answer", retry_after_s=5)
        try:
            async with asyncio.timeout(WITHIN_S):
                return await self._database.write_with_others(state_changes.begin, change)
        except TimeoutError as late:
            self._undo(change)
            raise DatabaseUnavailable("the database is slow", retry_after_s=5) from late

    def _undo(self, change: StateChange) -> None:
        self._unsure.add(change.task_id)
        write = partial(self._database.write, partial(state_changes.undo_start, change=change))
        undoing = self._writes.keep(
            retry_until_written(write, change.task_id), f"undo {change.task_id}"
        )
        undoing.add_done_callback(lambda _: self._unsure.discard(change.task_id))
