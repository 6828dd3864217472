"""What a balancer's tasks add to a run on this machine."""

from collections.abc import Coroutine
from typing import Any

from slotgrid.core.lease import Lease
from slotgrid.core.runner import AttemptFailed, Runner
from slotgrid.core.task import Task
from worker.uplink.remote_tasks import RemoteTasks


class RelayedRunner:
    """Fulfils `Runner` around another: a balancer's task gets one attempt, others are its own
    matter.
    """

    def __init__(self, runner: Runner, remote: RemoteTasks) -> None:
        self._runner = runner
        self._remote = remote
        self.clean = runner.clean

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
