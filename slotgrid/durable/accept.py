"""Accepts durable tasks: records them first, then offers them to the prefetch buffer."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from slotgrid.core.errors import DatabaseUnavailable, QueueFull
from slotgrid.core.fields import Place
from slotgrid.core.lease import class_of
from slotgrid.core.priority_queue import TaskClass, queue_key
from slotgrid.core.task import Task
from slotgrid.durable.prefetch_buffer import PrefetchBuffer
from slotgrid.durable.queue_positions import Positions
from slotgrid.durable.rehydration import class_key_of
from slotgrid.durable.waiting_count import WaitingCount
from slotgrid.records.background_writes import BackgroundWrites, outcome
from slotgrid.records.database import Database
from slotgrid.records.store import acceptance, flow_children
from slotgrid.records.store.acceptance import NewRecord
from slotgrid.records.store.idempotency import Accepted
from slotgrid.records.writer import WorkOnMany

Insert = WorkOnMany[Sequence[NewRecord], list[Accepted]]


class Acceptor:
    """Records new tasks of one node, all or none of a call, within `limit` waiting tasks.

    `check_slot_queue` raises QueueFull if so many more tasks may not wait for the slot of a class.
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
        check_slot_queue: Callable[[TaskClass, int], None],
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
        self._check_slot_queue = check_slot_queue
        self._steady = steady
        self._offer = offer

    async def accept(
        self, submitted: Sequence[tuple[Task, str | None, str | None]]
    ) -> list[Accepted]:
        """Record tasks; each with its idempotency key and the hash of its body.

        Raises QueueFull or DatabaseUnavailable: nothing was accepted, except with the reason
        `outcome-unknown`. Then the write continues, and its tasks are offered once it succeeds.
        """
        self._check_room([task for task, _, _ in submitted])
        records = [self._record_of(*each) for each in submitted]
        # Counted before the write, so that submissions that arrive meanwhile see the limit.
        self._add(records)
        return await outcome(self._writes.keep(self._record(records, acceptance.insert), "accept"))

    async def start_steps(self, tasks: Sequence[Task]) -> list[Accepted]:
        """Record tasks of flows: of steps, each together with the start of its step, or of what
        follows an ended flow.

        A task whose flow has ended, or whose step has one, is left out (`replayed`). Raises as
        `accept`.
        """
        self._check_room(tasks)
        records = [self._record_of(task, None, None) for task in tasks]
        self._add(records)
        return await outcome(
            self._writes.keep(self._record(records, flow_children.start), "start steps")
        )

    def _add(self, records: Sequence[NewRecord]) -> None:
        for record in records:
            self._count.add(1, record.task.submission.place)

    async def accept_by(
        self, task: Task, key: str, write: Callable[[NewRecord], Awaitable[bool]]
    ) -> bool:
        """Record a task by `write`, which inserts its row in a transaction with other effects.

        `write` returns whether the row is new, as does this. Raises as `accept`.
        """
        self._check_room([task])
        record = self._record_of(task, key, None)
        self._count.add(1, task.submission.place)
        return await outcome(self._writes.keep(self._record_by(record, write), "accept"))

    async def _record_by(
        self, record: NewRecord, write: Callable[[NewRecord], Awaitable[bool]]
    ) -> bool:
        new = False
        try:
            new = await write(record)
        finally:
            if not new:
                self._count.add(-1, record.task.submission.place)
        if new:
            self._offer(record)
        return new

    def _check_room(self, tasks: Sequence[Task]) -> None:
        """Check that so many more tasks may wait. Raises QueueFull."""
        waiting = self._count.value
        if waiting + len(tasks) > self._limit:
            raise QueueFull(
                f"{waiting} durable tasks are waiting, the limit is {self._limit}",
                retry_after_s=30,
            )
        self._check_slot_queues(tasks)

    def _check_slot_queues(self, tasks: Sequence[Task]) -> None:
        """Check the limits of all slots that the tasks name. Raises QueueFull."""
        by_slot: dict[Place, list[Task]] = {}
        for task in tasks:
            if (place := task.submission.place).slot is not None:
                by_slot.setdefault(place.slot_only(), []).append(task)
        for of_slot in by_slot.values():
            self._check_slot_queue(class_of(of_slot[0]), len(of_slot))

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

    async def _record(self, records: Sequence[NewRecord], insert: Insert) -> list[Accepted]:
        new: list[NewRecord] = []
        try:
            accepted = await self._database.write_with_others(insert, records)
            if not any(answer.conflict for answer in accepted):
                new = [
                    record
                    for record, answer in zip(records, accepted, strict=True)
                    if not answer.replayed
                ]
        finally:
            kept = {record.task.id for record in new}
            for record in records:
                if record.task.id not in kept:
                    self._count.add(-1, record.task.submission.place)
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
