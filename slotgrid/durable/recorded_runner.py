"""Records the starts, retries and ends of durable tasks when they happen."""

from collections.abc import Coroutine
from typing import Any

from slotgrid.core.errors import Conflict, DatabaseUnavailable, Internal, ServiceError
from slotgrid.core.lease import Lease
from slotgrid.core.observer import Observer
from slotgrid.core.runner import AttemptFailed, Refused, Runner
from slotgrid.core.task import Task
from slotgrid.durable.durable_tasks import DurableTasks
from slotgrid.records.shared_files import NotShared

DATABASE_AWAY_S = 1.0
"""Pause before a task whose start cannot be recorded is requeued at its old position. The task
holds no slot meanwhile, so that tasks without a database can run."""

NEXT_S = 0.005
"""Pause before a task checks again whether earlier tasks are still on disk."""


class RecordedRunner:
    """Wraps a `Runner`: records the start of a durable task before its run.

    Without the record, a task could run twice, since a crash would hide its first run.
    """

    def __init__(self, runner: Runner, durable: DurableTasks) -> None:
        self._runner = runner
        self._durable = durable
        self.clean = runner.clean

    def run(self, task: Task, lease: Lease | None) -> Coroutine[Any, Any, bytes]:
        """As the inner runner. Raises Refused during an outage, or if the task would overtake."""
        if task.durable:
            return self._run_recorded(task, lease)
        return self._runner.run(task, lease)

    async def _run_recorded(self, task: Task, lease: Lease | None) -> bytes:
        if self._durable.overtakes(task):
            raise Refused(pause_s=NEXT_S)
        try:
            ours = await self._durable.begin(task)
        except DatabaseUnavailable as away:
            raise Refused(pause_s=DATABASE_AWAY_S) from away
        if not ours:
            self._durable.disown(task)
            raise AttemptFailed(Conflict("another node has taken over the task"), retryable=False)
        result = await self._runner.run(task, lease)
        try:  # share its files before it completes, so that they outlive this node
            await self._durable.artifacts.share(task)
        except NotShared as fault:
            error = Internal(f"a file that the task saved could not be kept: {fault}")
            raise AttemptFailed(error, retryable=True) from fault
        return result


class DurableTurns(Observer):
    """Records retries and ends of durable tasks."""

    def __init__(self, durable: DurableTasks) -> None:
        self._durable = durable

    def will_retry(self, task: Task, error: ServiceError, delay_s: float) -> None:
        """Record that an attempt failed and another follows after `delay_s`."""
        if task.durable:
            self._durable.queued_again(task, error, delay_s)

    def finished(self, task: Task) -> None:
        """Record the task's end."""
        if task.durable:
            self._durable.ended(task)
