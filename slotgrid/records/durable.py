"""Durable tasks: recorded before they are accepted, run, delivered, taken up after any crash."""

import asyncio
import bisect
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson
import structlog

from slotgrid.core.admission import Admission
from slotgrid.core.backoff import backoff_s
from slotgrid.core.dispatcher import class_of
from slotgrid.core.errors import (
    DatabaseUnavailable,
    QueueFull,
    ServiceError,
    TaskCancelled,
    WaitExceeded,
    WorkerLost,
)
from slotgrid.core.submission import Submission
from slotgrid.core.supervisor import Supervisor
from slotgrid.core.task import Source, Task, TaskState
from slotgrid.records import store
from slotgrid.records.database import Database
from slotgrid.records.dbos_engine import DurableEngine
from slotgrid.records.store import Accepted, NewRecord
from slotgrid.runtime.background import background

log = structlog.get_logger()

WINDOW = 200
"""Tasks of a class held in memory to wait for slots; the others wait on disk."""
PUMP_S = 1.0
"""How often the pump looks for what waited too long or whose time has come."""
RESTORED_EVENTS = 1_000_000
"""Each process that takes a task up numbers its events from a multiple of this, so that no
number is used twice although chatter is not recorded."""
RETRY_WRITE_S = (0.5, 15.0)


@dataclass(slots=True)
class _Class:
    """One class of queued tasks: the keys of those in memory, and whether disk has more."""

    keys: list[float]
    more: bool = False


class DurableTasks:
    """Accepts, keeps, runs and delivers durable tasks of one node.

    The record is the truth: a task is accepted when its record is committed, and has ended when
    its end is. DBOS drives what follows from it, step by step.
    """

    def __init__(
        self,
        database: Database,
        *,
        node: str,
        ageing_s: float,
        limit: int,
        admission: Admission,
        engine: Callable[["DurableTasks"], DurableEngine],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._node = node
        self._ageing_s = ageing_s
        self._limit = limit
        self._admission = admission
        self._supervisor: Supervisor | None = None
        self._engine = engine(self)
        self._clock = clock
        self._loaded: dict[str, tuple[Task, str, float]] = {}
        self._classes: dict[str, _Class] = {}
        self._writes: dict[str, asyncio.Task[None]] = {}
        self._waiting = 0
        self._released = False
        self._wake = asyncio.Event()

    @asynccontextmanager
    async def running(self, supervisor: Supervisor) -> AsyncIterator[None]:
        """Take up what an earlier process left, and go on until the end of the block."""
        self._supervisor = supervisor
        async with AsyncExitStack() as stack:
            await self._recover()
            await stack.enter_async_context(self._engine.running())
            await self._resume_deliveries()
            _ = await stack.enter_async_context(background(self._pump(), name="durable tasks"))
            yield
            self.release_queued()

    def release_queued(self) -> None:
        """Let go of what has not started: it stays recorded, for the next process or a peer."""
        assert self._supervisor is not None
        self._released = True
        for task, _, _ in list(self._loaded.values()):
            self._supervisor.release(task)

    # Accepting

    async def accept(
        self, submitted: Sequence[tuple[Task, str | None, str | None]]
    ) -> list[Accepted]:
        """Record tasks, all or none; each with its idempotency key and the hash of its body.

        Raises QueueFull, or DatabaseUnavailable: then nothing was accepted.
        """
        if self._waiting + len(submitted) > self._limit:
            raise QueueFull(
                f"{self._waiting} durable tasks are waiting, the limit is {self._limit}",
                retry_after_s=30,
            )
        records = [
            NewRecord(task, self._key_of(task), _class_key(task), key, body_hash)
            for task, key, body_hash in submitted
        ]
        node = self._node
        # Shielded: a caller who leaves now has been promised nothing, but may have been heard.
        accepted = await asyncio.shield(
            asyncio.ensure_future(
                self._database.write(lambda connection: store.insert(connection, node, records))
            )
        )
        for record, answer in zip(records, accepted, strict=True):
            if answer.task_id == record.task.id:
                self._waiting += 1
                self._offer(record)
        return accepted

    def _key_of(self, task: Task) -> float:
        return task.created_at + (task.submission.priority - 1) * self._ageing_s

    def _offer(self, record: NewRecord) -> None:
        """Hold a new task in memory if it is among the next of its class, else leave it on disk."""
        kind = self._classes.setdefault(record.class_key, _Class([]))
        not_before = record.task.submission.not_before
        early = not_before is not None and not_before.timestamp() > self._clock()
        if early or bisect.bisect_right(kind.keys, record.queue_key) >= WINDOW:
            kind.more = True
            return
        self._load(record.task, record.class_key, record.queue_key)

    def _load(self, task: Task, class_key: str, key: float) -> None:
        bisect.insort(self._classes.setdefault(class_key, _Class([])).keys, key)
        self._loaded[task.id] = (task, class_key, key)
        assert self._supervisor is not None
        self._supervisor.start(task)
        self._start_workflow(task.id)

    def _start_workflow(
        self, task_id: str, suffix: str = "", *, deliver_only: bool = False
    ) -> None:
        starting = self._persist(
            lambda: self._engine.start(f"{task_id}{suffix}", task_id, deliver_only=deliver_only),
            task_id,
        )
        self._keep(f"workflow {task_id}", starting)

    # Steps of the workflow

    async def run_step(self, task_id: str) -> str:
        """Return the state in which the task ended, once that is recorded."""
        loaded = self._loaded.get(task_id)
        if loaded is None:
            row = await self._database.read(lambda connection: store.get(connection, task_id))
            if row is None or row.node != self._node or row.status not in store.LIVE:
                return "gone" if row is None else str(row.status)
            # Nothing tells that the pump has come to it, and nothing is lost by looking.
            while (loaded := self._loaded.get(task_id)) is None:  # noqa: ASYNC110
                await asyncio.sleep(PUMP_S)
        await loaded[0].wait_finished()
        if (write := self._writes.get(task_id)) is not None:
            await asyncio.wait({write})
        return str(loaded[0].state)

    # What the supervisor's turns mean here (slotgrid.core.supervisor.Observer)

    async def begin(self, task: Task) -> bool:
        """Record that the task starts; False when it is no longer ours. Before its first line."""
        node = self._node
        ours = await self._database.write(lambda connection: store.begin(connection, task, node))
        self._left_queue(task)
        return ours

    def ended(self, task: Task) -> None:
        """Record the end of a task, however long the database needs."""
        self._left_queue(task)
        node = self._node

        async def write() -> None:
            await self._persist(
                lambda: self._database.write(
                    lambda connection: store.finish(connection, task, node)
                ),
                task.id,
            )
            self._loaded.pop(task.id, None)

        self._keep(task.id, write())

    def queued_again(self, task: Task) -> None:
        """Record that an attempt failed and another follows."""
        self._keep(
            f"retry {task.id}",
            self._persist(
                lambda: self._database.write(
                    lambda connection: store.back_to_queue(connection, task)
                ),
                task.id,
            ),
        )

    def _left_queue(self, task: Task) -> None:
        loaded = self._loaded.get(task.id)
        if loaded is None:
            return
        _, class_key, key = loaded
        kind = self._classes[class_key]
        position = bisect.bisect_left(kind.keys, key)
        if position < len(kind.keys) and kind.keys[position] == key:
            del kind.keys[position]
            self._waiting -= 1
        if kind.more and len(kind.keys) < WINDOW // 2:
            self._wake.set()

    def _keep(self, name: str, work: Any) -> None:
        """Hold a write until it is done; the end of the block waits for nothing of it."""
        writing = asyncio.get_running_loop().create_task(work, name=f"durable {name}")
        self._writes[name] = writing
        writing.add_done_callback(lambda _: self._writes.pop(name, None))

    async def _persist(self, write: Callable[[], Any], task_id: str) -> None:
        """Write, again and again until the database takes it."""
        tries = 0
        while True:
            try:
                await write()
            except DatabaseUnavailable:
                tries += 1
            except Exception:
                log.exception("durable.write_failed", task_id=task_id)
                tries += 1
            else:
                return
            base_s, ceiling_s = RETRY_WRITE_S
            await asyncio.sleep(backoff_s(tries, base_s=base_s, ceiling_s=ceiling_s))

    # Cancelling what waits on disk, and sending again

    async def cancel(self, task_id: str, reason: str) -> None:
        """End a task that is not held in memory. It may have ended meanwhile: then nothing."""
        error = TaskCancelled(f"the task was cancelled: {reason}", reason=reason, task_id=task_id)
        await self._end_on_disk(task_id, TaskState.CANCELLED, error)

    async def redeliver(self, task_id: str) -> None:
        """Send a task's webhook again, from the first attempt."""
        await self._database.write(lambda c: store.deliver_again(c, task_id))
        self._start_workflow(task_id, f":again:{time.time_ns()}", deliver_only=True)

    async def _end_on_disk(self, task_id: str, state: TaskState, error: ServiceError) -> None:
        problem = error.to_problem()
        await self._database.write(
            lambda connection: store.finish_unrun(connection, task_id, state, problem)
        )
        self._waiting -= 1
        self._start_workflow(task_id)

    # Taking up what is on disk

    async def _recover(self) -> None:
        """What ran when the last process ended runs again only where that was declared safe."""
        node = self._node
        for row in await self._database.read(lambda c: store.left_running(c, node)):
            spec = self._admission.known(row.function)
            retries = spec.retries if spec is not None else 0
            if row.starts <= retries:
                await self._database.write(partial(store.requeue, task_id=row.id))
                log.info("durable.runs_again", task_id=row.id, starts=row.starts)
                continue
            error = WorkerLost(
                "the node ended while the task ran; whether it took effect is not known",
                task_id=row.id,
                reason="node-ended",
            )
            await self._end_unstarted(row.id, error)
        counts = await self._database.read(lambda c: store.queued_classes(c, node))
        for class_key, count in counts.items():
            self._classes[class_key] = _Class([], more=True)
            self._waiting += count
        self._wake.set()

    async def _resume_deliveries(self) -> None:
        """Those whose workflow is unfinished go on by themselves; for them this does nothing."""
        node = self._node
        for row in await self._database.read(lambda c: store.undelivered(c, node)):
            self._start_workflow(row.id)

    async def _end_unstarted(self, task_id: str, error: ServiceError) -> None:
        problem = error.to_problem()
        await self._database.write(
            lambda c: store.finish_unrun(c, task_id, TaskState.FAILED, problem)
        )

    async def _pump(self) -> None:
        """Bring the next tasks of each class into memory; end those that waited too long."""
        while True:
            self._wake.clear()
            try:
                await self._fill()
                await self._expire()
            except DatabaseUnavailable:
                log.warning("durable.pump_waits")
            try:
                async with asyncio.timeout(PUMP_S):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _fill(self) -> None:
        if self._released:
            return
        node, now = self._node, self._clock()
        for class_key, kind in list(self._classes.items()):
            room = WINDOW - len(kind.keys)
            if not kind.more or room < WINDOW // 2:
                continue
            limit = WINDOW + len(kind.keys)
            rows = await self._database.read(
                partial(store.next_queued, node=node, class_key=class_key, limit=limit, now=now)
            )
            fresh = [row for row in rows if row.id not in self._loaded]
            for row in fresh[:room]:
                await self._restore(row)
            later = await self._database.read(lambda c: store.next_due(c, node, now))
            kind.more = len(rows) == limit or len(fresh) > room or later is not None

    async def _restore(self, row: store.Row) -> None:
        """Make a task of its record, on the function as it is now."""
        submission = Submission.parse(orjson.loads(row.body), size=len(row.body))
        try:
            task = self._admission.readmit(
                submission, owner=row.owner, source=Source(row.source, row.source_id), id=row.id
            )
        except ServiceError as error:  # its function is gone, or would refuse it now
            error.task_id = row.id
            await self._end_unstarted(row.id, error)
            self._waiting -= 1
            self._start_workflow(row.id)
            return
        restores = row.restores + 1
        await self._database.write(lambda c: store.note_restore(c, row.id, restores))
        task.restore(
            created_at=row.created_at,
            starts=row.starts,
            first_event=restores * RESTORED_EVENTS,
        )
        self._load(task, row.class_key, row.queue_key)

    async def _expire(self) -> None:
        """A task on disk may wait no longer than one in memory."""
        node, now = self._node, self._clock()
        rows = await self._database.read(lambda c: store.overdue(c, node, now))
        for row in rows:
            if row.id not in self._loaded:
                error = WaitExceeded("no slot came free in time", task_id=row.id)
                await self._end_on_disk(row.id, TaskState.FAILED, error)


def _class_key(task: Task) -> str:
    """The task's class as text."""
    cls = class_of(task)
    place = [cls.place.worker, cls.place.pool, *map(list, cls.place.labels)]
    return orjson.dumps([cls.group, cls.contract, cls.pool, place, cls.gate]).decode()
