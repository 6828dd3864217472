"""What durable tasks add to the turns of a task's life: each is recorded as it is taken."""

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
"""Pause before a task whose start cannot be recorded goes back to its place in the queue. It
holds no slot meanwhile, so that callers who need no database are served."""

NEXT_S = 0.005
"""Pause before a task looks again whether those before it have come from disk."""


class RecordedRunner:
    """Fulfils `Runner` around another: the start of a durable task is recorded before its run.

    Without the record a task could run twice, for after a crash nobody would know that it did.
    """

    def __init__(self, runner: Runner, durable: DurableTasks) -> None:
        self._runner = runner
        self._durable = durable
        self.clean = runner.clean

    def run(self, task: Task, lease: Lease) -> Coroutine[Any, Any, bytes]:
        """As the inner runner; Refused while the database is away."""
        if task.submission.mode.durable:
            return self._run_recorded(task, lease)
        return self._runner.run(task, lease)

    async def _run_recorded(self, task: Task, lease: Lease) -> bytes:
        if self._durable.overtakes(task):
            raise Refused(pause_s=NEXT_S)
        try:
            ours = await self._durable.begin(task)
        except DatabaseUnavailable as away:
            raise Refused(pause_s=DATABASE_AWAY_S) from away
        if not ours:
            self._durable.disown(task)
            raise AttemptFailed(Conflict("another node has taken it over"), retryable=False)
        lease.started()
        result = await self._runner.run(task, lease)
        try:  # its files are to be where they outlive this node, before it completes
            await self._durable.artifacts.share(task)
        except NotShared as fault:
            error = Internal(f"a file that the task saved could not be kept: {fault}")
            raise AttemptFailed(error, retryable=True) from fault
        return result


class DurableTurns(Observer):
    """Records the turns of durable tasks."""

    def __init__(self, durable: DurableTasks) -> None:
        self._durable = durable

    def will_retry(self, task: Task, error: ServiceError, delay_s: float) -> None:
        """An attempt failed, another follows after `delay_s`."""
        if task.submission.mode.durable:
            self._durable.queued_again(task, error, delay_s)

    def finished(self, task: Task) -> None:
        """The task has its end."""
        if task.submission.mode.durable:
            self._durable.ended(task)
