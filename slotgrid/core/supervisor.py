"""Supervises each task: wait, attempts, retries with backoff, cancel, and exactly one end."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine
from typing import Any

import msgspec

from slotgrid.core.errors import Draining, Internal, ServiceError, TaskCancelled
from slotgrid.core.lease import CLEANING, Lease
from slotgrid.core.observer import Observer
from slotgrid.core.placement import Placement
from slotgrid.core.runner import AttemptFailed, Refused, Runner
from slotgrid.core.task import Task
from slotgrid.core.task_retry import may_retry, pause_s
from slotgrid.core.task_states import CANCELLED, FAILED, QUEUED, RUNNING, TaskState

NODE_STOPPING = "the node is stopping"
"""The cancel reason when the asyncio task is cancelled from outside, as at shutdown."""


class _Live(msgspec.Struct, eq=False):
    """A task that has not ended, and the asyncio task that supervises it."""

    task: Task
    own: "asyncio.Task[None]"


class Supervisor:
    """Supervises tasks from acceptance to the end, each in an asyncio task of its own."""

    def __init__(
        self,
        placement: Placement,
        runner: Runner,
        observer: Observer,
        *,
        max_wait_s: float,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._placement = placement
        self._runner = runner
        self._observer = observer
        self._max_wait_s = max_wait_s
        self._sleep = sleep
        self._live: dict[str, _Live] = {}
        self._cleaning: dict[Lease, tuple[Task, asyncio.Task[None]]] = {}
        self._released: set[str] = set()
        self._idle: asyncio.Future[None] | None = None

    @property
    def live(self) -> Collection[Task]:
        """The tasks that have not ended, or whose slot is being cleaned."""
        tasks = {live.task.id: live.task for live in self._live.values()}
        return (tasks | {task.id: task for task, _ in self._cleaning.values()}).values()

    @property
    def running(self) -> int:
        """How many tasks run on slots at this moment."""
        tasks = (live.task for live in self._live.values())
        return sum(task.state is RUNNING and task.spec.needs_slot for task in tasks)

    @property
    def cleaning(self) -> int:
        """How many slots are being cleaned after their attempt has ended."""
        return len(self._cleaning)

    def start(self, task: Task) -> None:
        """Accept the task and start its supervision; returns at once."""
        self._observer.accepted(task)
        own = asyncio.get_running_loop().create_task(self._see_through(task), name=task.id)
        own.add_done_callback(lambda _: self._forget(task))
        self._live[task.id] = _Live(task, own)

    def cancel(self, task: Task, reason: str) -> bool:
        """Cancel the task with `reason`, a text; False if it has already ended.

        Returns at once; `task.wait_finished()` waits for the end.
        """
        if task.state.terminal or task.id not in self._live:
            return False
        # A second cancellation would interrupt the cleanup that the first has started.
        if task.cancel_reason is None:
            task.cancel_reason = reason
            self._live[task.id].own.cancel()
        return True

    def release(self, task: Task) -> bool:
        """Drop a queued durable task, or a flow, without an end: its record goes on later.

        False if it has ended, or if it runs and is no flow. Callers who wait for the task get the
        reason.
        """
        if not _can_go_on(task) or task.id not in self._live:
            return False
        self._released.add(task.id)
        self._live[task.id].own.cancel()
        return True

    async def wait_idle(self) -> None:
        """Wait until no task is live and every slot is clean."""
        while self._live or self._cleaning:
            if self._idle is None:
                self._idle = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._idle)

    async def _see_through(self, task: Task) -> None:
        try:
            wait_until = self._wait_until(task)
            while True:
                try:
                    await self._attempt(task, wait_until)
                except Refused as refused:
                    # Also for a pause of 0: immediate refusals must not block the event loop.
                    await asyncio.sleep(refused.pause_s)
                except AttemptFailed as failure:
                    if task.state.terminal:
                        return
                    await self._back_off(task, failure.error)
                    wait_until = self._wait_until(task)
                else:
                    return
        except asyncio.CancelledError:
            self._end_cancelled(task)
            raise
        except ServiceError as error:
            self._end(task, FAILED, error)
        except Exception as defect:  # the edge of the loop: any defect ends the task
            self._observer.defect(task, defect)
            self._end(task, FAILED, Internal("the node failed on this task"))

    async def _back_off(self, task: Task, error: ServiceError) -> None:
        """Wait between two attempts."""
        delay_s = pause_s(len(task.attempts), task.retry)
        self._observer.will_retry(task, error, delay_s)
        await self._sleep(delay_s)
        task.queued_mono = time.monotonic()  # a retry queues behind tasks that arrived meanwhile

    def _forget(self, task: Task) -> None:
        # An asyncio task cancelled before it starts never enters `_see_through`.
        if not task.state.terminal:
            self._end_cancelled(task)
        if self._released:
            self._released.discard(task.id)
        del self._live[task.id]
        if self._idle is not None:
            self._notify_idle()

    def _notify_idle(self) -> None:
        if self._idle is not None and not self._live and not self._cleaning:
            self._idle.set_result(None)
            self._idle = None

    def _wait_until(self, task: Task) -> float | None:
        """The end of the wait for a slot (monotonic seconds), kept on refusals; None: no limit."""
        submission = task.submission
        wait_s = submission.wait_s
        if wait_s is None and not task.durable:
            wait_s = self._max_wait_s
        until = None if wait_s is None else task.queued_mono + wait_s
        if submission.expires_at is not None:
            expiry = time.monotonic() + submission.expires_at.timestamp() - time.time()
            until = expiry if until is None else min(until, expiry)
        return until

    async def _attempt(self, task: Task, wait_until: float | None) -> None:
        """Wait for a slot, if one is needed, and run once. Raises the error that ended either."""
        async with self._placement.enter(task, wait_until=wait_until) as lease:
            if lease is None:
                task.begin_attempt(self._placement.node, None)
            else:
                slot = lease.slot
                task.begin_attempt(slot.worker, slot.number, slot.pool)
            self._observer.started(task)
            try:
                task.complete(await self._runner.run(task, lease))
                self._announce(task)
            except AttemptFailed as failure:
                if failure.retryable and may_retry(task.spec, task.attempts[-1].number, task.retry):
                    task.end_attempt(failure.error)
                    task.move_to(QUEUED)
                else:
                    self._end(task, FAILED, failure.error)
                raise
            except Refused:
                task.undo_attempt()
                raise
            except asyncio.CancelledError:
                self._end_cancelled(task)
                raise
            finally:
                # After the end of the task, so that its answer does not wait for the cleaning.
                if lease is not None and (cleaning := self._runner.clean(task, lease)) is not None:
                    self._clean(task, lease, cleaning)

    def _clean(self, task: Task, lease: Lease, cleaning: Coroutine[Any, Any, None]) -> None:
        """Clean the slot in its own asyncio task, then give the lease back."""
        lease.move_to(CLEANING)
        work = self._cleaned(task, lease, cleaning)
        own = asyncio.get_running_loop().create_task(work, name=f"clean {task.id}")
        self._cleaning[lease] = (task, own)

    async def _cleaned(self, task: Task, lease: Lease, cleaning: Coroutine[Any, Any, None]) -> None:
        try:
            await cleaning
        except Exception as defect:  # `clean` must not raise; if it does, the slot is still freed
            self._observer.defect(task, defect)
        finally:
            del self._cleaning[lease]
            self._placement.give_back(lease)
            self._notify_idle()

    def _end_cancelled(self, task: Task) -> None:
        if task.id in self._released and _can_go_on(task):
            self._leave(task)
            return
        reason = task.cancel_reason = task.cancel_reason or NODE_STOPPING
        error = TaskCancelled(f"the task was cancelled: {reason}", reason=reason)
        self._end(task, CANCELLED, error)

    def _leave(self, task: Task) -> None:
        """Tell a caller of mode sync or stream that the task goes on without them."""
        if not task.submission.mode.durable and not task.announced:
            error = Draining("the node stops; the task is recorded and goes on", task_id=task.id)
            task.events.append("error", error.to_problem())
            task.error = error
            task.announce_end()

    def _end(self, task: Task, state: TaskState, error: ServiceError) -> None:
        if task.state.terminal:
            return
        error.task_id = task.id
        # First: it raises for an error without a JSON form, and the task then ends as `Internal`.
        task.events.append("error", error.to_problem())
        task.error = error
        task.end_attempt(error)
        task.move_to(state)
        self._announce(task)

    def _announce(self, task: Task) -> None:
        """Record the end, then wake the waiters. Every end passes here."""
        try:
            self._observer.finished(task)
        finally:
            task.announce_end()


def _can_go_on(task: Task) -> bool:
    """Whether another process can go on with the task from its record."""
    return task.state is QUEUED or (task.state is RUNNING and task.spec.always_durable)
