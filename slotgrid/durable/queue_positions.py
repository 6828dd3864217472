"""Queue positions of tasks that wait on disk."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from slotgrid.records.database import Database
from slotgrid.records.store import waiting
from slotgrid.records.store.acceptance import NewRecord

GOOD_FOR_S = 1.0
"""How long a count is reused: at 1,000 tasks a second, a count for each is too slow."""


@dataclass(slots=True)
class _Count:
    """Position of one task (`before`), and the number of tasks that arrived after it (`since`)."""

    before: "asyncio.Task[int]"
    until: float
    since: int = 0


class Positions:
    """Positions in the order of the queue key, which the database counts.

    It counts at most once a second for each class and priority. Tasks that arrive within that
    second get the next numbers, so a position is based on a count at most a second old.
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
        # Retrieve the exception, as the waiting caller may be cancelled.
        reading.add_done_callback(lambda done: done.cancelled() or done.exception())
        count = self._counts[kind] = _Count(reading, now + GOOD_FOR_S)
        return count
