"""Records the log lines of running durable tasks, as a process may die before their end."""

import asyncio

import structlog

from slotgrid.core.errors import DatabaseUnavailable
from slotgrid.core.task import LOG_LINES_LIMIT
from slotgrid.core.task_states import TaskState
from slotgrid.durable.prefetch_buffer import PrefetchBuffer
from slotgrid.records.database import Database
from slotgrid.records.store import log_rows

log = structlog.get_logger()

EVERY_S = 1.0


class LogFlush:
    """Writes new lines of running tasks each second, all in one transaction.

    It stops after LOG_LINES_LIMIT lines of a task; the end of the task records the newest lines.
    """

    def __init__(self, database: Database, buffer: PrefetchBuffer) -> None:
        self._database = database
        self._buffer = buffer
        self._flushed: dict[str, int] = {}

    async def run(self) -> None:
        """Flush until cancelled; during an outage, lines stay in memory."""
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                await self.run_once()
            except DatabaseUnavailable:
                continue
            except Exception:  # edge of the loop: the task's end records its lines
                log.exception("durable.lines_not_flushed")

    async def run_once(self) -> None:
        """Record the new lines. Raises DatabaseUnavailable."""
        rows, upto = [], {}
        running = [held.task for held in self._buffer if held.task.state is TaskState.RUNNING]
        self._flushed = {
            task.id: self._flushed.get(task.id, task.logs.begins_after) for task in running
        }
        for task in running:
            flushed = self._flushed[task.id]
            if flushed - task.logs.begins_after >= LOG_LINES_LIMIT:
                continue
            new = log_rows.lines_of(task, after=flushed)
            if new:
                rows += [log_rows.line_row(task.id, line) for line in new]
                upto[task.id] = new[-1].id
        if rows:
            await self._database.write(lambda connection: log_rows.keep_rows(connection, rows))
            self._flushed |= upto
