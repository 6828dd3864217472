"""Prefetches the next durable tasks of each class from disk into memory."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import structlog

from slotgrid.core.admission import Admission
from slotgrid.core.errors import (
    DatabaseUnavailable,
    Internal,
    NoWorker,
    ServiceError,
    WaitExceeded,
)
from slotgrid.core.task import Task
from slotgrid.durable.prefetch_buffer import PrefetchBuffer
from slotgrid.durable.rehydration import by_slot, restored
from slotgrid.durable.waiting_count import Waiting
from slotgrid.records.database import Database
from slotgrid.records.store import endings, task_events, waiting
from slotgrid.records.store.rows import Row

log = structlog.get_logger()

EVERY_S = 1.0
"""Interval of the checks for tasks that waited too long or whose `not_before` has passed."""


class Prefetcher:
    """Fills the buffer from disk.

    `load` starts a prefetched task. `fail` ends a task that can no longer run or has waited too
    long. `cancel` stops a running task whose cancellation another node recorded.
    """

    def __init__(
        self,
        database: Database,
        buffer: PrefetchBuffer,
        *,
        node: str,
        admission: Admission,
        clock: Callable[[], float],
        steady: Callable[[], float],
        load: Callable[[Task, str, float], None],
        fail: Callable[[str, ServiceError], Awaitable[None]],
        cancel: Callable[[str, str], None],
    ) -> None:
        self._database = database
        self._buffer = buffer
        self._node = node
        self._admission = admission
        self._clock = clock
        self._steady = steady
        self._load = load
        self._fail = fail
        self._cancel = cancel
        self._wake = asyncio.Event()
        self.stopped = False
        """True once no more tasks are to be loaded."""

    def prefetch(self, class_key: str) -> None:
        """Wake the prefetcher if the buffer of that class is low."""
        if self._buffer.is_low(class_key):
            self._wake.set()

    async def take_up(self) -> Waiting:
        """Prefetch all waiting tasks of this node; returns their numbers, in memory and on disk."""
        counts = await self._database.read(lambda c: waiting.queued_classes(c, self._node))
        for class_key in counts:
            self._buffer.note_disk(class_key, -math.inf)
            await self._look_for_early(class_key, self._clock())
        self._wake.set()
        return by_slot(counts)

    async def run(self) -> None:
        """Load the next tasks of each class into memory; fail tasks that waited too long."""
        while True:
            self._wake.clear()
            try:
                if not self.stopped:
                    await self._expire()
                    await self._fill()
                await self._apply_cancels()
                await self._record_events()
            except DatabaseUnavailable:
                pass  # the database logs the outage; the next turn tries again
            try:
                async with asyncio.timeout(EVERY_S):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _fill(self) -> None:
        now = self._clock()
        for class_key in self._buffer.collect_due(now):
            await self._look_for_early(class_key, now)
        for class_key in self._buffer.low_classes():
            await self._fill_class(class_key, now)

    async def _fill_class(self, class_key: str, now: float) -> None:
        """Load the next tasks of a class, reading on past functions that no worker offers."""
        disk = self._buffer.begin_read(class_key)
        without: set[str] = set()
        try:
            while True:
                room, held = self._buffer.room(class_key)
                limit = room + held
                rows = await self._database.read(
                    partial(
                        waiting.next_queued,
                        node=self._node,
                        class_key=class_key,
                        without=without,
                        limit=limit,
                        now=now,
                        steady_now=self._steady(),
                    )
                )
                fresh = [row for row in rows if row.id not in self._buffer]
                unoffered = await self._take(fresh[:room])
                if len(fresh) > room:
                    rest = fresh[room].queue_key
                elif len(rows) == limit:
                    rest = rows[-1].queue_key
                else:
                    break
                if not unoffered:
                    self._buffer.note_disk(class_key, rest)
                    break
                without |= unoffered
                self._buffer.continue_read(class_key, rest)
        except DatabaseUnavailable:
            self._buffer.note_disk(class_key, disk)
            raise
        finally:
            self._buffer.end_read(class_key)

    async def _look_for_early(self, class_key: str, now: float) -> None:
        at = await self._database.read(lambda c: waiting.next_early(c, self._node, class_key, now))
        if at is not None:
            self._buffer.note_early(class_key, at)

    async def _take(self, rows: Sequence[Row]) -> set[str]:
        """Load tasks that are still queued, each with the current version of its function.

        Returns the functions that no worker offers yet; their tasks stay on disk.
        """
        unoffered: set[str] = set()
        restorable: list[tuple[Row, Task | ServiceError]] = []
        for row in rows:
            try:
                restorable.append((row, restored(row, self._admission)))
            except NoWorker:
                unoffered.add(row.function)
                # As a task that may not start yet, or it would hold up all tasks behind it.
                self._buffer.note_early(row.class_key, self._clock())
            except ServiceError as error:  # its function is gone or refuses its input now
                restorable.append((row, error))
            except Exception:  # a damaged record must not stop the others
                log.exception("durable.record_unreadable", task_id=row.id)
                restorable.append((row, Internal("the record of the task cannot be read")))
        if not restorable:
            return unoffered
        node, ids = self._node, [row.id for row, _ in restorable]
        # Read in the writer's thread, which sees tasks that were cancelled during the read.
        still = await self._database.write(lambda c: waiting.still_waiting(c, node, ids))
        taken = [] if self.stopped else [pair for pair in restorable if pair[0].id in still]
        # All loads come before the first `await`, or a later task could get a slot first.
        for row, found in taken:
            if isinstance(found, Task):
                self._load(found, row.class_key, row.queue_key)
        for row, found in taken:
            if isinstance(found, ServiceError):
                found.task_id = row.id
                await self._fail(row.id, found)
        return unoffered

    async def _expire(self) -> None:
        """Fail tasks on disk that have waited too long, like tasks in memory."""
        node, now, steady_now = self._node, self._clock(), self._steady()
        late = await self._database.read(lambda c: waiting.overdue(c, node, now, steady_now))
        for task_id in late:
            if task_id not in self._buffer:
                error = WaitExceeded("no slot became free in time", task_id=task_id)
                await self._fail(task_id, error)

    async def _apply_cancels(self) -> None:
        """Cancel tasks for which other nodes recorded a cancel; SQLite has no other nodes."""
        if self._database.is_sqlite:
            return
        asked = await self._database.read(lambda c: endings.cancels(c, self._node))
        for task_id, reason in asked.items():
            self._cancel(task_id, reason)

    async def _record_events(self) -> None:
        """Record new events of running tasks, so that a crash loses one second of events."""
        for held in self._buffer:
            events = held.task.events
            if held.waits or events.closed or events.last_id == held.last_recorded:
                continue
            last, new_events = (
                events.last_id,
                task_events.kept_of(held.task, after=held.last_recorded),
            )
            if new_events:
                await self._database.write(
                    partial(task_events.keep_events, task_id=held.task.id, new_events=new_events)
                )
            held.last_recorded = last
