"""Accepts durable tasks: records them first, then offers them to the prefetch buffer."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from slotgrid.core.errors import DatabaseUnavailable, QueueFull
from slotgrid.core.priority_queue import queue_key
from slotgrid.core.task import Task
from slotgrid.durable.prefetch_buffer import PrefetchBuffer
from slotgrid.durable.queue_positions import Positions
from slotgrid.durable.rehydration import class_key_of
from slotgrid.durable.waiting_count import WaitingCount
from slotgrid.records.background_writes import BackgroundWrites, outcome
from slotgrid.records.database import Database
from slotgrid.records.store import acceptance
from slotgrid.records.store.acceptance import NewRecord
from slotgrid.records.store.idempotency import Accepted


class Acceptor:
    """Records new tasks of one node, all or none of a call, within `limit` waiting tasks.

    `steady` is the clock that orders the queue. `offer` is called with each new record, in the
    order of the submissions.
    """

    def __init__(
        self,
        database: Database,
        writes: BackgroundWrites,
        count: WaitingCount,
        buffer: PrefetchBuffer,
        *,
        node: str,
        ageing_s: float,
        limit: int,
        steady: Callable[[], float],
        offer: Callable[[NewRecord], None],
    ) -> None:
        self._database = database
        self._writes = writes
        self._count = count
        self._buffer = buffer
        self._positions = Positions(database, node)
        self._node = node
        self._ageing_s = ageing_s
        self._limit = limit
        self._steady = steady
        self._offer = offer

    async def accept(
        self, submitted: Sequence[tuple[Task, str | None, str | None]]
    ) -> list[Accepted]:
        """Record tasks; each with its idempotency key and the hash of its body.

        Raises QueueFull or DatabaseUnavailable: nothing was accepted, except with the reason
        `outcome-unknown`. Then the write continues, and its tasks are offered once it succeeds.
        """
        waiting = self._count.value
        if waiting + len(submitted) > self._limit:
            raise QueueFull(
                f"{waiting} durable tasks are waiting, the limit is {self._limit}",
                retry_after_s=30,
            )
        records = [self._record_of(*each) for each in submitted]
        # Counted before the write, so that submissions that arrive meanwhile see the limit.
        self._count.add(len(records))
        return await outcome(self._writes.keep(self._record(records), "accept"))

    def _record_of(self, task: Task, key: str | None, body_hash: str | None) -> NewRecord:
        arrived_at = self._steady()
        return NewRecord(
            task,
            self._node,
            arrived_at,
            queue_key(arrived_at, task.submission.priority, self._ageing_s),
            class_key_of(task),
            key,
            body_hash,
        )

    async def _record(self, records: Sequence[NewRecord]) -> list[Accepted]:
        new: list[NewRecord] = []
        try:
            accepted = await self._database.write_with_others(acceptance.insert, records)
            if not any(answer.conflict for answer in accepted):
                new = [
                    record
                    for record, answer in zip(records, accepted, strict=True)
                    if not answer.replayed
                ]
        finally:
            self._count.add(len(new) - len(records))
        for record in new:
            self._offer(record)
        await asyncio.sleep(0)  # one turn of the loop: tasks with a free slot start, others queue
        on_disk = {record.task.id: record for record in new if record.task.id not in self._buffer}
        return [
            await self._placed(answer, on_disk[answer.task_id])
            if answer.task_id in on_disk
            else answer
            for answer in accepted
        ]

    async def _placed(self, answer: Accepted, record: NewRecord) -> Accepted:
        with suppress(DatabaseUnavailable):  # an accepted task must not fail for its position
            return replace(answer, position=await self._positions.of(record))
        return answer
