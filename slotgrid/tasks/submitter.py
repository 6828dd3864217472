"""Submits tasks: admission, idempotency, records of durable tasks, disconnected callers."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from slotgrid.core.admission import Admission
from slotgrid.core.dispatcher import Dispatcher
from slotgrid.core.errors import (
    Conflict,
    DatabaseUnavailable,
    Draining,
    InMaintenance,
    ServiceError,
)
from slotgrid.core.node_state import NodeStatus
from slotgrid.core.principal import Principal
from slotgrid.core.submission import Submission
from slotgrid.core.supervisor import Supervisor
from slotgrid.core.task import Task
from slotgrid.core.task_parts import API, Source
from slotgrid.core.task_states import TaskState
from slotgrid.durable.durable_tasks import DurableTasks
from slotgrid.records.damaged_records import UnreadableRecord
from slotgrid.records.history import History
from slotgrid.records.store.idempotency import Accepted
from slotgrid.records.task_repository import TaskRepository
from slotgrid.tasks import bulk
from slotgrid.tasks.awaited_task import AwaitedTask
from slotgrid.tasks.feed import TaskFeed
from slotgrid.tasks.in_memory_idempotency import MemoryIdempotency, hash_of
from slotgrid.tasks.large_input import checked_early, off_loop
from slotgrid.tasks.receipt import Receipt
from slotgrid.tasks.recorded_start import CALLER_DISCONNECTED, RecordedStart

ITEMS_A_TURN = 20
"""Number of items of a bulk submission to check before other asyncio tasks get a turn."""

Trace = tuple[tuple[str, str], ...]


class TaskSubmitter:
    """The part of `TaskService` that submits tasks.

    `durable` is None for a node without a database; `count_refusal` counts refused submissions by
    the name of their problem. `feed` tells the changes of all tasks.
    """

    def __init__(
        self,
        *,
        status: NodeStatus,
        admission: Admission,
        dispatcher: Dispatcher,
        supervisor: Supervisor,
        history: History,
        repository: TaskRepository,
        durable: DurableTasks | None,
        count_refusal: Callable[[str], None],
        feed: TaskFeed,
    ) -> None:
        self.feed = feed
        self._status = status
        self._admission = admission
        self._dispatcher = dispatcher
        self._supervisor = supervisor
        self._history = history
        self._repository = repository
        self._durable = durable
        self._count_refusal = count_refusal
        self._idempotency = MemoryIdempotency(history.get)
        self._recorded_start = (
            RecordedStart(durable, repository, supervisor) if durable is not None else None
        )

    @asynccontextmanager
    async def start(
        self,
        principal: Principal,
        submission: Submission,
        *,
        key: str | None = None,
        source: Source = API,
    ) -> AsyncIterator[AwaitedTask]:
        """Start a task of mode sync or stream, for a caller that waits for it inside the block.

        Callers with the same idempotency key share one task. A caller leaves when the block is
        cancelled or its connection breaks (ConnectionError); when the last one leaves, the task is
        cancelled. Raises the reason of a refusal, or Conflict if the key belongs to another body.
        """
        task = await self._admit(principal, submission, source)
        body_hash = "" if key is None else hash_of(submission.body)
        if task.durable:
            async with self._recorded(task, key, body_hash) as awaited:
                yield awaited
            return
        answering, claim = self._idempotency.claim(task, key, body_hash)
        if answering is task:
            self._supervisor.start(task)
        claim.callers += 1
        try:
            yield AwaitedTask(answering, replayed=answering is not task)
        except (asyncio.CancelledError, ConnectionError):
            if claim.callers == 1:
                self._supervisor.cancel(answering, CALLER_DISCONNECTED)
            raise
        finally:
            claim.callers -= 1

    @asynccontextmanager
    async def _recorded(
        self, task: Task, key: str | None, body_hash: str
    ) -> AsyncIterator[AwaitedTask]:
        """Start a task that is recorded in every mode."""
        if self._recorded_start is None:
            raise DatabaseUnavailable("this node has no database, which flows need")
        try:
            async with self._recorded_start.start(task, key, body_hash) as awaited:
                yield awaited
        except ServiceError as refusal:
            self._count_refusal(refusal.name)
            raise

    async def submit(
        self,
        principal: Principal,
        submission: Submission,
        *,
        key: str | None = None,
        body_hash: str | None = None,
        source: Source = API,
    ) -> Receipt:
        """Accept a task of a durable mode: it is recorded when this returns.

        `body_hash` is that of the submission unless a caller's body is another one. Raises the
        reason of a refusal, or Conflict if the key belongs to another body.
        """
        task = await self._admit(principal, submission, source)
        (receipt,) = await self._accept([task], [key], body_hash or hash_of(submission.body))
        return receipt

    async def submit_many(
        self,
        principal: Principal,
        items: Sequence[Any],
        *,
        key: str | None = None,
        trace: Trace = (),
        size: int = 0,
        source: Source = API,
    ) -> Sequence[Receipt]:
        """Accept all tasks, or none. `items` are bodies as of `POST /task`, of `size` bytes in all.

        Raises InvalidSubmission with the faults of each item; NoWorker if only workers are
        missing; Conflict if the key belongs to another list.
        """
        try:
            bulk.check_count(items)
            self._status.check_accepts()
            tasks = await self._admit_many(principal, items, trace, size, source)
        except ServiceError as refusal:
            self._count_refusal(refusal.name)
            raise
        return await self._accept(
            tasks, bulk.keys_of(key, len(tasks)), hash_of({"tasks": list(items)})
        )

    async def _admit(self, principal: Principal, submission: Submission, source: Source) -> Task:
        try:
            return await self._admission.admit_within(
                submission,
                owner=principal.name,
                source=source,
                checked=await checked_early(self._admission, submission, submission.size),
            )
        except ServiceError as refusal:
            self._count_refusal(refusal.name)
            raise

    async def _admit_many(
        self,
        principal: Principal,
        items: Sequence[Any],
        trace: Trace,
        size: int,
        source: Source,
    ) -> Sequence[Task]:
        tasks, faults = [], bulk.Faults()
        share = size // len(items)
        for number, item in enumerate(items):
            if number % ITEMS_A_TURN == ITEMS_A_TURN - 1:
                await asyncio.sleep(0)
            try:
                submission = await off_loop(
                    size, Submission.parse, bulk.with_mode(item), trace=trace, size=share
                )
                bulk.check_durable(submission)
                checked = await checked_early(self._admission, submission, size)
                task = await self._admission.admit_within(
                    submission, owner=principal.name, source=source, checked=checked
                )
                tasks.append(task)
            except (InMaintenance, Draining):
                raise
            except ServiceError as refusal:
                faults.add(number, refusal)
            if faults.enough:
                break
        faults.check()
        return tasks

    async def _accept(
        self, tasks: Sequence[Task], keys: Sequence[str | None], body_hash: str
    ) -> Sequence[Receipt]:
        """Record the tasks, all or none."""
        assert self._durable is not None, "admission refuses durable modes without a database"
        try:
            receipts = []
            for accepted in await self._durable.accept(
                [(task, key, body_hash) for task, key in zip(tasks, keys, strict=True)]
            ):
                if accepted.conflict:
                    raise Conflict(
                        "this Idempotency-Key belongs to another body", task_id=accepted.task_id
                    )
                receipts.append(await self._receipt(accepted))
        except ServiceError as refusal:
            self._count_refusal(refusal.name)
            raise
        return receipts

    async def _receipt(self, accepted: Accepted) -> Receipt:
        """The receipt of an accepted task. A new task that is not in memory needs no lookup."""
        held = self._history.get(accepted.task_id)
        if held is not None:
            waits = held.state is TaskState.QUEUED
            return Receipt(held.id, held.state, self._dispatcher.position(held) if waits else 0)
        position = accepted.position
        if accepted.replayed:
            waits = accepted.state is TaskState.QUEUED
            position = await self._position_on_disk(accepted.task_id) if waits else 0
        return Receipt(accepted.task_id, accepted.state, position)

    async def _position_on_disk(self, task_id: str) -> int | None:
        """Queue position of a recorded task; None, not an error, if it cannot be read."""
        with suppress(DatabaseUnavailable, UnreadableRecord):
            found = await self._repository.find(task_id)
            if found is not None:
                position: int | None = (await self._repository.show(found)).get("queue_position")
                return position
        return None
