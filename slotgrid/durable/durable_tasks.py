"""Durable tasks: recorded before acceptance, prefetched into memory before their start."""

import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial

import structlog

from slotgrid.core.admission import Admission
from slotgrid.core.errors import ServiceError, TaskCancelled
from slotgrid.core.fields import Place
from slotgrid.core.priority_queue import TaskClass, arrival_of
from slotgrid.core.supervisor import Supervisor
from slotgrid.core.task import Task
from slotgrid.core.task_states import TaskState
from slotgrid.durable.accept import Acceptor
from slotgrid.durable.flow_ends import FlowEnds, NoFlows
from slotgrid.durable.log_flush import LogFlush
from slotgrid.durable.prefetch_buffer import Held, PrefetchBuffer
from slotgrid.durable.prefetcher import Prefetcher
from slotgrid.durable.rehydration import by_slot, slot_of
from slotgrid.durable.start_recorder import StartRecorder
from slotgrid.durable.steady_clock import SteadyClock
from slotgrid.durable.waiting_count import Waiting, WaitingCount
from slotgrid.records.artifacts import ArtifactStore
from slotgrid.records.background_writes import BackgroundWrites, outcome, retry_until_written
from slotgrid.records.database import Database
from slotgrid.records.shared_files import NotShared
from slotgrid.records.store import deliveries, endings, state_changes, waiting
from slotgrid.records.store.acceptance import NewRecord
from slotgrid.records.store.idempotency import Accepted
from slotgrid.records.store.state_changes import StateChange
from slotgrid.runtime.background import background

log = structlog.get_logger()


class DurableTasks:
    """Accepts, keeps and ends the durable tasks of one node.

    The record is the source of truth: a task is accepted when its record is committed, and has
    ended when its end is committed. After a crash, all other state is rebuilt from the record.
    A task with a `not_before`, which is recorded too, waits on disk until then.
    """

    def __init__(
        self,
        database: Database,
        *,
        node: str,
        ageing_s: float,
        limit: int,
        admission: Admission,
        artifacts: ArtifactStore,
        check_slot_queue: Callable[[TaskClass, int], None] = lambda _, __: None,
        webhook_due: Callable[[], None] = lambda: None,
        forget: Callable[[str], None] = lambda _: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._forget = forget
        self._node = node
        self._ageing_s = ageing_s
        self._supervisor: Supervisor | None = None
        self._webhook_due = webhook_due
        self.artifacts = artifacts
        self.flows: FlowEnds = NoFlows()
        self._clock = clock
        self._steady = SteadyClock(clock)
        self._buffer = PrefetchBuffer()
        self._writes = BackgroundWrites()
        self._starts = StartRecorder(database, self._writes)
        self._count = WaitingCount(self._queued_on_record, self._is_consistent)
        self._acceptor = Acceptor(
            database,
            self._writes,
            self._count,
            self._buffer,
            node=node,
            ageing_s=ageing_s,
            limit=limit,
            check_slot_queue=check_slot_queue,
            steady=self._steady,
            offer=self._offer,
        )
        self._prefetcher = Prefetcher(
            database,
            self._buffer,
            node=node,
            admission=admission,
            clock=clock,
            steady=self._steady,
            load=self._load,
            fail=self.fail,
            cancel=self._cancel_held,
        )

    @property
    def waiting(self) -> int:
        """How many durable tasks wait at this node, in memory and on disk."""
        return self._count.value

    def waiting_for(self, place: Place) -> int:
        """How many of them wait for the slot that `place` names."""
        return self._count.of_slot(place)

    def begun(self) -> list[Task]:
        """Tasks in memory that have started or ended: their records may lag behind them."""
        return [
            held.task
            for held in self._buffer
            if not held.waits or held.task.state is not TaskState.QUEUED
        ]

    @asynccontextmanager
    async def running(self, supervisor: Supervisor) -> AsyncIterator[None]:
        """Take up the tasks that wait on disk; run the background loops during the block."""
        self._supervisor = supervisor
        await self.take_up()
        try:
            async with (
                background(self._prefetcher.run, name="durable tasks"),
                background(self._count.run, name="count of waiting tasks"),
                background(LogFlush(self._database, self._buffer).run, name="log lines"),
            ):
                yield
                self.release_queued()
        finally:
            await self._writes.finish()

    async def take_up(self) -> None:
        """Count this node's queued records, so that the prefetcher loads them."""
        on_record = await self._prefetcher.take_up()
        in_memory = Counter(
            held.task.submission.place.slot_only() for held in self._buffer if held.waits
        )
        self._count.assume(on_record | in_memory)

    async def _queued_on_record(self) -> Waiting:
        return by_slot(await self._database.read(lambda c: waiting.queued_classes(c, self._node)))

    def _is_consistent(self) -> bool:
        """Whether record and memory agree: no task is being accepted or started."""
        return not self._writes.under_way and all(
            held.waits or held.task.state is not TaskState.QUEUED for held in self._buffer
        )

    def release_queued(self) -> None:
        """Release unstarted tasks, which stay recorded for the next process or a peer."""
        assert self._supervisor is not None
        self._prefetcher.stopped = True
        for held in self._buffer:
            self._supervisor.release(held.task)

    # Accepting

    async def accept(
        self, submitted: Sequence[tuple[Task, str | None, str | None]]
    ) -> list[Accepted]:
        """Record tasks, all or none; see `Acceptor.accept`."""
        return await self._acceptor.accept(submitted)

    async def accept_by(
        self, task: Task, key: str, write: Callable[[NewRecord], Awaitable[bool]]
    ) -> bool:
        """Record a task in a transaction with other effects; see `Acceptor.accept_by`."""
        return await self._acceptor.accept_by(task, key, write)

    async def start_steps(self, tasks: Sequence[Task]) -> list[Accepted]:
        """Record the tasks of steps of flows; see `Acceptor.start_steps`."""
        return await self._acceptor.start_steps(tasks)

    def _offer(self, record: NewRecord) -> None:
        """Hold a new task in memory if it is among the next of its class, else leave it on disk."""
        task, class_key = record.task, record.class_key
        not_before = task.submission.not_before
        if not_before is not None and not_before.timestamp() > self._clock():
            self._buffer.note_early(class_key, not_before.timestamp())
        elif self._prefetcher.stopped:
            self._buffer.note_disk(class_key, record.queue_key)
        elif self._buffer.admits(class_key, record.queue_key):
            self._load(task, class_key, record.queue_key)
        self._prefetcher.prefetch(class_key)

    def _load(self, task: Task, class_key: str, key: float) -> None:
        """Queue a recorded task for a slot; does nothing if the task is already in memory."""
        if task.id in self._buffer:
            return
        assert self._supervisor is not None
        # This gives the task the same queue key in memory as on disk.
        arrived_at = arrival_of(key, task.submission.priority, self._ageing_s)
        task.queued_mono = self._steady.monotonic(arrived_at)
        self._buffer.hold(task, class_key, key)
        self._supervisor.start(task)

    # State changes, reported by RecordedRunner and DurableTurns

    def overtakes(self, task: Task) -> bool:
        """Whether earlier tasks are still on disk, so that this task would start too soon.

        The prefetcher reads ahead, but slots may become free faster than the database reads.
        """
        held = self._buffer.get(task.id)
        return held is not None and self._buffer.overtakes(held)

    async def begin(self, task: Task) -> bool:
        """Record the task's start before its function runs; False if it is no longer ours.

        Raises DatabaseUnavailable soon, because the task holds a slot that others could use.
        """
        held = self._buffer.get(task.id)
        if held is None:
            return False
        if task.spec.needs_slot and task.attempts[-1].slot is None:  # the worker reports it later
            task.on_begin = partial(_emit_running, task)
        elif not held.start_emitted:  # one event, however often the start is retried
            _emit_running(task)
            held.start_emitted = True
        ours = await self._starts.record(self._state_change(held))
        self._leave_queue(held)
        return ours

    def queued_again(self, task: Task, error: ServiceError, delay_s: float) -> None:
        """Record that an attempt failed and another follows."""
        held = self._buffer.get(task.id)
        if held is None:
            return
        task.events.append(
            "state",
            {"text": "queued", "data": {"error": error.detail, "delay_s": round(delay_s, 3)}},
        )
        held.start_emitted = False
        change = self._state_change(held)
        write = partial(self._database.write, lambda c: state_changes.back_to_queue(c, change))
        _ = self._writes.keep(retry_until_written(write, task.id), f"retry {task.id}")

    def ended(self, task: Task) -> None:
        """Record the end of a task, however long an outage lasts; then deliver its webhook."""
        held = self._buffer.get(task.id)
        if held is None:
            return
        self._leave_queue(held)
        after_flow = self.flows.after(task) if _is_flow(task) else None
        change = self._state_change(held, after_flow=after_flow)
        _ = self._writes.keep(self._end(task, change), f"end {task.id}")

    async def _end(self, task: Task, change: StateChange) -> None:
        # A completed task has shared its files before its end.
        shared = task.state is TaskState.COMPLETED or await self._share_if_possible(task)
        write = partial(self._database.write_with_others, state_changes.finish, change)
        await retry_until_written(write, task.id)
        self._buffer.drop(task.id)
        if task.submission.webhook is not None:
            self._webhook_due()
        if _is_flow(task):
            self.flows.flow_ended(task.id)
        if task.parent is not None:
            self.flows.child_ended(task.parent)
        if shared:
            await self.artifacts.leave_to_shared(task)

    async def _share_if_possible(self, task: Task) -> bool:
        """Share the files of a task that did not complete, as they may show why.

        False if that failed, which is logged: the local files are then the only ones.
        """
        try:
            await self.artifacts.share(task)
        except NotShared as fault:
            log.warning("artifacts.not_shared", task_id=task.id, reason=str(fault))
        except Exception:  # any library error: the end must be recorded
            log.exception("artifacts.not_shared", task_id=task.id)
        else:
            return True
        return False

    def _state_change(self, held: Held, *, after_flow: str | None = None) -> StateChange:
        task = held.task
        return StateChange.of(
            task,
            self._node,
            after=held.last_recorded,
            lines_after=task.logs.begins_after,  # the last one of an earlier process
            after_flow=after_flow,
        )

    def _leave_queue(self, held: Held) -> None:
        if self._buffer.leave_queue(held):
            self._count.add(-1, held.task.submission.place)
            self._prefetcher.prefetch(held.class_key)

    # Ends of tasks that this process does not run

    async def cancel(self, task_id: str, reason: str) -> None:
        """Cancel a task that is not in memory, or request this from the node that runs it.

        Does nothing if the task has ended meanwhile. Raises DatabaseUnavailable.
        """
        await outcome(self._writes.keep(self._cancel(task_id, reason), f"cancel {task_id}"))

    async def _cancel(self, task_id: str, reason: str) -> None:
        error = TaskCancelled(f"the task was cancelled: {reason}", reason=reason, task_id=task_id)
        problem, now = error.to_problem(), self._clock()
        ended = await self._database.write(
            lambda c: endings.cancel(c, self._node, task_id, problem, at=now)
        )
        self._ended_on_disk(task_id, ended)
        # The prefetcher may have loaded the task meanwhile: cancel it in memory as well.
        self._cancel_held(task_id, reason)

    async def stop(self, task_id: str, reason: str) -> None:
        """Cancel a task wherever it is, in memory too. Raises DatabaseUnavailable."""
        if task_id in self._buffer:
            self._cancel_held(task_id, reason)
        else:
            await self.cancel(task_id, reason)

    async def fail(self, task_id: str, error: ServiceError) -> None:
        """Fail a task that cannot run, or whose outcome is unknown."""
        problem, now = error.to_problem(), self._clock()
        ended = await self._database.write(
            lambda c: endings.finish_unrun(
                c, self._node, task_id, TaskState.FAILED, problem, at=now
            )
        )
        self._ended_on_disk(task_id, ended)

    def _ended_on_disk(self, task_id: str, ended: endings.Ended | None) -> None:
        if ended is None:
            return
        if ended.node == self._node and ended.waited and task_id not in self._buffer:
            self._count.add(-1, slot_of(ended.class_key))
        if ended.to_deliver:
            self._webhook_due()
        self.flows.flow_ended(task_id)
        if ended.parent is not None:
            self.flows.child_ended(ended.parent)

    def _cancel_held(self, task_id: str, reason: str) -> None:
        if (held := self._buffer.get(task_id)) is not None and self._supervisor is not None:
            self._supervisor.cancel(held.task, reason)

    async def redeliver(self, task_id: str) -> None:
        """Send a task's webhook again, from the first attempt. Raises DatabaseUnavailable."""
        await outcome(self._writes.keep(self._redeliver(task_id), f"redeliver {task_id}"))

    async def _redeliver(self, task_id: str) -> None:
        await self._database.write(lambda c: deliveries.deliver_again(c, task_id, self._node))
        self._webhook_due()

    # Tasks in memory that are no longer ours

    def held(self) -> list[Task]:
        """The tasks in memory."""
        return [held.task for held in self._buffer]

    def disown(self, task: Task) -> None:
        """Drop a task that another node has ended or taken over; its record stays."""
        if (held := self._buffer.get(task.id)) is not None:
            self._leave_queue(held)
            self._buffer.drop(task.id)
        self._forget(task.id)

    def release_tasks(self, task: Task) -> None:
        """Stop and drop a task that another node owns now."""
        held = self._buffer.get(task.id)
        if held is None or self._supervisor is None:
            return
        if not self._supervisor.release(task):
            self._supervisor.cancel(task, "another node has taken over the task")
        self.disown(task)


def _is_flow(task: Task) -> bool:
    return task.spec.kind == "flow"


def _emit_running(task: Task) -> None:
    attempt = task.attempts[-1]
    data = {
        "attempt": attempt.number,
        "worker": attempt.worker,
        "pool": attempt.pool,
        "slot": attempt.slot,
    }
    task.events.append("state", {"text": "running", "data": data})
