"""What a balancer's tasks add to the turns of a task's life: it is told of them."""

from collections.abc import Coroutine
from typing import Any

from slotgrid.core.dispatcher import Lease
from slotgrid.core.passing import PassingObserver
from slotgrid.core.supervisor import AttemptFailed, Observer, Runner
from slotgrid.core.task import Task
from worker.uplink.remote_tasks import RemoteTasks


class RelayedRunner:
    """Fulfils `Runner` around another: a balancer's task gets one attempt, others are its own
    matter.
    """

    def __init__(self, runner: Runner, remote: RemoteTasks) -> None:
        self._runner = runner
        self._remote = remote

    def run(self, task: Task, lease: Lease) -> Coroutine[Any, Any, bytes]:
        """As the inner runner, but that a balancer's task is never retried here."""
        if self._remote.has(task):
            return self._run_relayed(task, lease)
        return self._runner.run(task, lease)

    async def _run_relayed(self, task: Task, lease: Lease) -> bytes:
        try:
            return await self._runner.run(task, lease)
        except AttemptFailed as failure:
            self._remote.attempt_failed(task, retryable=failure.retryable)
            raise AttemptFailed(failure.error, retryable=False) from failure

    def clean(self, task: Task, lease: Lease) -> Coroutine[Any, Any, None] | None:
        """As the inner runner."""
        return self._runner.clean(task, lease)


class RelayingObserver(PassingObserver):
    """Around another observer: the balancer is told how its tasks end."""

    def __init__(self, observer: Observer, remote: RemoteTasks) -> None:
        super().__init__(observer)
        self._remote = remote

    def finished(self, task: Task) -> None:
        """The task has its end."""
        super().finished(task)
        self._remote.finished(task)
