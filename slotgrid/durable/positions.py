"""Where tasks that wait on disk stand in the queue."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from slotgrid.records.database import Database
from slotgrid.records.store import waiting
from slotgrid.records.store.acceptance import NewRecord

GOOD_FOR_S = 1.0
"""A count is told on for so long: at a thousand tasks a second, each would have to count anew."""


@dataclass(slots=True)
class _Count:
    """How many were before one task, and how many came behind it since."""

    before: "asyncio.Task[int]"
    until: float
    since: int = 0


class Positions:
    """Counted by the database, in the order of the queue's key, at most once a second for each
    class and priority; who comes within that second stands behind who came before.

    So a position told at acceptance is that of at most a second ago.
    """

    def __init__(
        self, database: Database, node: str, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self._node = node
        self._clock = clock
        self._counts: dict[tuple[str, int], _Count] = {}

    async def of(self, record: NewRecord) -> int:
        """The position of a task that was just recorded. Raises DatabaseUnavailable."""
        kind = (record.class_key, record.task.submission.priority)
        count = self._counts.get(kind)
        if count is None or self._clock() >= count.until:
            count = self._begin(record, kind)
        else:
            count.since += 1
        since = count.since
        return await asyncio.shield(count.before) + since

    def _begin(self, record: NewRecord, kind: tuple[str, int]) -> _Count:
        now = self._clock()
        self._counts = {kind: count for kind, count in self._counts.items() if count.until > now}
        reading = asyncio.get_running_loop().create_task(
            self._database.read(
                lambda c: waiting.position(c, self._node, record.class_key, record.queue_key)
            )
        )
        # Retrieved: who waited for it may have left.
        reading.add_done_callback(lambda done: done.cancelled() or done.exception())
        count = self._counts[kind] = _Count(reading, now + GOOD_FOR_S)
        return count
