"""Starts tasks that are recorded in every mode, such as flows, for callers that wait for them."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson

from slotgrid.core.errors import Conflict
from slotgrid.core.problem_decoding import from_problem
from slotgrid.core.supervisor import Supervisor
from slotgrid.core.task import Task
from slotgrid.core.task_states import TaskState
from slotgrid.durable.durable_tasks import DurableTasks
from slotgrid.records.task_repository import Record, TaskRepository
from slotgrid.tasks.awaited_task import AwaitedTask
from slotgrid.tasks.task_loading import until_loaded

CALLER_DISCONNECTED = "the caller disconnected"


class RecordedStart:
    """Records such tasks before they start; the last caller that leaves cancels its task."""

    def __init__(
        self, durable: DurableTasks, repository: TaskRepository, supervisor: Supervisor
    ) -> None:
        self._durable = durable
        self._repository = repository
        self._supervisor = supervisor
        self._callers: Counter[str] = Counter()

    @asynccontextmanager
    async def start(
        self, task: Task, key: str | None, body_hash: str
    ) -> AsyncIterator[AwaitedTask]:
        """As `TaskSubmitter.start`; the idempotency key is recorded with the task.

        Raises DatabaseUnavailable or QueueFull: nothing was accepted.
        """
        (accepted,) = await self._durable.accept([(task, key, body_hash)])
        if accepted.conflict:
            raise Conflict("this Idempotency-Key belongs to another body", task_id=accepted.task_id)
        self._callers[accepted.task_id] += 1
        try:
            running = await self._in_memory(task, accepted.task_id)
            yield AwaitedTask(running, replayed=accepted.replayed)
        except (asyncio.CancelledError, ConnectionError):
            if self._callers[accepted.task_id] == 1:
                await self._cancel(accepted.task_id)
            raise
        finally:
            self._callers[accepted.task_id] -= 1
            if not self._callers[accepted.task_id]:
                del self._callers[accepted.task_id]

    async def _in_memory(self, task: Task, task_id: str) -> Task:
        """The task of that id as it runs in this process; one that has ended as its record says."""
        found = await self._repository.find(task_id)
        loaded = await until_loaded(self._repository, found) if isinstance(found, Record) else found
        if loaded is None:
            found = await self._repository.find(task_id)
            return found if isinstance(found, Task) else _ended(task, found)
        return loaded

    async def _cancel(self, task_id: str) -> None:
        for task in self._durable.held():
            if task.id == task_id:
                self._supervisor.cancel(task, CALLER_DISCONNECTED)
                return
        await asyncio.shield(self._durable.cancel(task_id, CALLER_DISCONNECTED))


def _ended(task: Task, record: Record | None) -> Task:
    """A task that answers as the record of an ended one."""
    if record is None:  # removed by its limits meanwhile
        raise Conflict("the task of this Idempotency-Key has been removed", task_id=task.id)
    detail = record.detail
    task.id, task.state, task.worker = record.id, record.state, detail["worker"]
    task.queued_s, task.run_s = detail["queued_ms"] / 1000, detail["run_ms"] / 1000
    if record.state is TaskState.COMPLETED:
        task.result = orjson.dumps(detail["result"])
    else:
        task.error = from_problem(detail["error"])
        task.events.append("error", detail["error"])
    task.announce_end()
    return task
