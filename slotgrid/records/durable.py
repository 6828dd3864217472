"""Durable tasks: recorded before they are accepted, run, delivered, taken up after any crash."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import structlog

from slotgrid.core.admission import Admission
from slotgrid.core.errors import (
    QueueFull,
    ServiceError,
    TaskCancelled,
    WorkerLost,
)
from slotgrid.core.supervisor import Supervisor
from slotgrid.core.task import Task, TaskState
from slotgrid.records import store
from slotgrid.records.database import Database
from slotgrid.records.dbos_engine import DurableEngine
from slotgrid.records.durable_restoring import class_key_of
from slotgrid.records.history import TaskFilter
from slotgrid.records.pump import Pump
from slotgrid.records.store import Accepted, NewRecord, Turn
from slotgrid.records.window import Held, Window
from slotgrid.records.writes import Writes, surely
from slotgrid.runtime.background import background

log = structlog.get_logger()

LOOK_AGAIN_S = 30.0
"""How often a workflow looks at the record of a task that another process may have ended."""


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
        forget: Callable[[Task], None] = lambda _: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._forget = forget
        self._node = node
        self._ageing_s = ageing_s
        self._limit = limit
        self._admission = admission
        self._supervisor: Supervisor | None = None
        self._engine = engine(self)
        self._clock = clock
        # One for all, or two tasks might change places between the two clocks.
        self._epoch_mono = time.monotonic() - clock()
        self._window = Window()
        self._writes = Writes()
        self._ends: dict[str, asyncio.Event] = {}
        self._driven: frozenset[str] = frozenset()  # tasks whose workflow an earlier process began
        self._waiting = 0
        self._pump = Pump(
            database,
            self._window,
            node=node,
            admission=admission,
            clock=clock,
            load=self._load,
            fail=self._fail_on_disk,
        )

    @property
    def waiting(self) -> int:
        """How many durable tasks wait at this node, in memory and on disk."""
        return self._waiting

    @asynccontextmanager
    async def running(self, supervisor: Supervisor) -> AsyncIterator[None]:
        """Take up what an earlier process left, and go on until the end of the block."""
        self._supervisor = supervisor
        async with AsyncExitStack() as stack:
            await self._end_lost()
            await self.take_up()
            await stack.enter_async_context(self._engine.running())
            stack.push_async_callback(self._writes.finish)
            self._driven = _tasks_of(await self._engine.unfinished())
            await self.resume_deliveries()
            _ = await stack.enter_async_context(background(self._pump.run(), name="durable tasks"))
            yield
            self.release_queued()

    def release_queued(self) -> None:
        """Let go of what has not started: it stays recorded, for the next process or a peer."""
        assert self._supervisor is not None
        self._pump.stopped = True
        for held in self._window:
            self._supervisor.release(held.task)

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
            NewRecord(task, self._key_of(task), class_key_of(task), key, body_hash)
            for task, key, body_hash in submitted
        ]
        # Counted before they are written, so that those who come meanwhile see the limit.
        self._waiting += len(records)
        # Shielded: a caller may leave while its task is being recorded, which is then ours.
        return await asyncio.shield(self._writes.keep(self._record(records), "accept"))

    async def _record(self, records: Sequence[NewRecord]) -> list[Accepted]:
        new: list[NewRecord] = []
        try:
            accepted = await self._database.write(
                lambda connection: store.insert(connection, self._node, records)
            )
            new = [
                record
                for record, answer in zip(records, accepted, strict=True)
                if answer.task_id == record.task.id
            ]
        finally:
            self._waiting -= len(records) - len(new)
        for record in new:
            self._offer(record)
        await asyncio.sleep(0)  # one turn of the loop: what can start has started, the rest queues
        return accepted

    def _key_of(self, task: Task) -> float:
        return task.created_at + (task.submission.priority - 1) * self._ageing_s

    def _offer(self, record: NewRecord) -> None:
        """Hold a new task in memory if it is among the next of its class, else leave it on disk."""
        task, class_key = record.task, record.class_key
        not_before = task.submission.not_before
        if not_before is not None and not_before.timestamp() > self._clock():
            self._window.note_early(class_key, not_before.timestamp())
        elif self._pump.stopped:
            self._window.note_disk(class_key, record.queue_key)
        elif self._window.admits(class_key, record.queue_key):
            self._load(task, class_key, record.queue_key)
        self._pump.look(class_key)

    def _load(self, task: Task, class_key: str, key: float) -> None:
        """Let a recorded task wait for a slot. Whoever comes second with it does nothing."""
        if task.id in self._window:
            return
        assert self._supervisor is not None
        task.queued_mono = self._epoch_mono + task.created_at
        self._window.hold(task, class_key, key)
        self._supervisor.start(task)
        if task.id not in self._driven:
            self._start_workflow(task.id)

    def _start_workflow(
        self, task_id: str, suffix: str = "", *, deliver_only: bool = False
    ) -> None:
        def start() -> Coroutine[Any, Any, None]:
            return self._engine.start(f"{task_id}{suffix}", task_id, deliver_only=deliver_only)

        _ = self._writes.keep(surely(start, task_id), f"workflow {task_id}")

    # Steps of the workflow

    async def run_step(self, task_id: str) -> str:
        """Return the state in which the task ended, once that is recorded."""
        ended = self._ends.setdefault(task_id, asyncio.Event())
        try:
            while True:
                row = await surely(
                    lambda: self._database.read(lambda c: store.get(c, task_id)), task_id
                )
                if row is None or row.node != self._node:
                    return "gone"
                if row.status not in store.LIVE:
                    return str(row.status)
                try:
                    async with asyncio.timeout(LOOK_AGAIN_S):
                        await ended.wait()
                except TimeoutError:
                    continue
        finally:
            self._ends.pop(task_id, None)

    def _tell_end(self, task_id: str) -> None:
        if (ended := self._ends.get(task_id)) is not None:
            ended.set()

    # What the supervisor's turns mean here (slotgrid.core.supervisor.Observer)

    async def begin(self, task: Task) -> bool:
        """Record that the task starts; False when it is no longer ours. Before its first line."""
        node, held = self._node, self._window.get(task.id)
        if held is None:
            return False
        if not held.said:  # said once, however often the database must be asked
            attempt = task.attempts[-1]
            said = {"attempt": attempt.number, "worker": attempt.worker, "slot": attempt.slot}
            task.events.append("state", {"text": "running", "data": said})
            held.said = True
        turn = self._turn(held)
        ours = await self._database.write(lambda connection: store.begin(connection, turn, node))
        self._leave_queue(held)
        return ours

    def queued_again(self, task: Task, error: ServiceError, delay_s: float) -> None:
        """Record that an attempt failed and another follows."""
        node, held = self._node, self._window.get(task.id)
        if held is None:
            return
        task.events.append(
            "state",
            {"text": "queued", "data": {"error": error.detail, "delay_s": round(delay_s, 3)}},
        )
        held.said = False
        turn = self._turn(held)
        write = partial(self._database.write, lambda c: store.back_to_queue(c, turn, node))
        _ = self._writes.keep(surely(write, task.id), f"retry {task.id}")

    def ended(self, task: Task) -> None:
        """Record the end of a task, however long the database needs."""
        node, held = self._node, self._window.get(task.id)
        if held is None:
            return
        self._leave_queue(held)
        turn = self._turn(held)

        async def write() -> None:
            await surely(
                lambda: self._database.write(lambda c: store.finish(c, turn, node)), task.id
            )
            self._window.drop(task.id)
            self._tell_end(task.id)

        _ = self._writes.keep(write(), f"end {task.id}")

    def _turn(self, held: Held) -> Turn:
        return Turn.of(held.task, after=held.kept)

    def _leave_queue(self, held: Held) -> None:
        if self._window.leave_queue(held):
            self._waiting -= 1
            self._pump.look(held.class_key)

    # Cancelling what waits on disk, and sending again

    async def cancel(self, task_id: str, reason: str) -> None:
        """End a task that is not held in memory. It may have ended meanwhile: then nothing."""
        error = TaskCancelled(f"the task was cancelled: {reason}", reason=reason, task_id=task_id)
        await self._end_on_disk(task_id, TaskState.CANCELLED, error)
        # The pump may just have taken it up: then it is told as well.
        if (held := self._window.get(task_id)) is not None and self._supervisor is not None:
            self._supervisor.cancel(held.task, reason)

    async def cancel_waiting(self, wanted: TaskFilter, reason: str) -> list[str]:
        """End the tasks that wait on disk and that the filter accepts; returns their ids."""
        node = self._node
        found = await self._database.read(lambda c: store.waiting_ids(c, node, wanted))
        on_disk = [task_id for task_id in found if task_id not in self._window]
        await asyncio.gather(*(self.cancel(task_id, reason) for task_id in on_disk))
        return on_disk

    async def redeliver(self, task_id: str) -> None:
        """Send a task's webhook again, from the first attempt."""
        await self._database.write(lambda c: store.deliver_again(c, task_id, self._node))
        self._deliver(task_id)

    def _deliver(self, task_id: str) -> None:
        """Deliver by a workflow of its own, as that of the task has ended."""
        self._start_workflow(task_id, f":again:{time.time_ns()}", deliver_only=True)

    async def _fail_on_disk(self, task_id: str, error: ServiceError) -> None:
        await self._end_on_disk(task_id, TaskState.FAILED, error)

    async def _end_on_disk(self, task_id: str, state: TaskState, error: ServiceError) -> None:
        problem, now = error.to_problem(), self._clock()
        owner = await self._database.write(
            lambda c: store.finish_unrun(c, self._node, task_id, state, problem, at=now)
        )
        if owner is not None and owner != self._node:
            self._deliver(task_id)  # the workflow of its own node ends without
        elif owner is not None and task_id not in self._window:
            self._waiting -= 1
            self._start_workflow(task_id)
        self._tell_end(task_id)

    async def forget(self, *, before: float, limit: int) -> Collection[str]:
        """Remove tasks that ended before then and are delivered, with all that is kept of them."""
        removed = await self._database.write(
            partial(store.remove_finished, before=before, limit=limit)
        )
        await self._engine.forget_ended(before=before, limit=limit)
        return removed

    # Taking up what is on disk

    async def _end_lost(self) -> None:
        """What ran when the last process ended runs again only where that was declared safe."""
        node = self._node
        for row in await self._database.read(lambda c: store.left_running(c, node)):
            await self.end_or_requeue(row)

    async def end_or_requeue(self, row: store.Row) -> None:
        """Settle a task whose process is gone: queue it again, or say that it is lost."""
        spec = self._admission.known(row.function, row.group_name)
        retries = spec.retries if spec is not None else 0
        if row.starts <= retries:
            await self._database.write(partial(store.requeue, row=row))
            log.info("durable.runs_again", task_id=row.id, starts=row.starts)
            return
        error = WorkerLost(
            "the node ended while the task ran; whether it took effect is not known",
            task_id=row.id,
            reason="node-ended",
        )
        problem, now = error.to_problem(), self._clock()
        await self._database.write(
            lambda c: store.finish_unrun(c, self._node, row.id, TaskState.FAILED, problem, at=now)
        )

    async def take_up(self) -> None:
        """Count what waits on disk for this node, for the pump to bring it in."""
        waiting = await self._pump.count()
        # Of those held, some may have started since they were counted: the limit is no law.
        self._waiting = max(waiting, sum(held.waits for held in self._window))

    async def resume_deliveries(self) -> None:
        """Those whose workflow is unfinished go on by themselves; the others get a new one."""
        node = self._node
        rows = await self._database.read(lambda c: store.undelivered(c, node))
        if not rows:
            return
        unfinished = _tasks_of(await self._engine.unfinished())
        for row in rows:
            if row.id not in unfinished:
                self._deliver(row.id)

    # What becomes of tasks when nodes die (slotgrid.records.peers.Survivor)

    async def forsake(self, node: str) -> None:
        """Make sure that nothing of what drove that node's deliveries goes on."""
        await self._engine.forsake(node)

    async def settle(self, rows: Sequence[store.Row]) -> None:
        """Go on with tasks that are ours from now on, as they stood when their node died."""
        for row in rows:
            if row.status == TaskState.RUNNING:
                await self.end_or_requeue(row)
        await self.take_up()
        await self.resume_deliveries()

    async def let_go(self) -> None:
        """Drop what is held in memory and is no longer ours: a peer took it over or ended it."""
        assert self._supervisor is not None
        node, held = self._node, list(self._window)
        if not held:
            return
        ids = [each.task.id for each in held]
        ours = await self._database.read(lambda c: store.owned(c, node, ids))
        for each in held:
            if each.task.id in ours:
                continue
            if not self._supervisor.release(each.task):
                self._supervisor.cancel(each.task, "another node has taken it over")
            log.warning("durable.let_go", task_id=each.task.id)
            self._leave_queue(each)
            self._window.drop(each.task.id)
            self._tell_end(each.task.id)
            self._forget(each.task)


def _tasks_of(workflows: Collection[str]) -> frozenset[str]:
    """The tasks that workflows are for; a redelivery has more than the task in its id."""
    return frozenset(workflow.split(":")[0] for workflow in workflows)
