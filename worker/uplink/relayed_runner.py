"""The runner of tasks, with the special case of a balancer's tasks."""

from collections.abc import Coroutine
from typing import Any

from slotgrid.core.lease import Lease
from slotgrid.core.runner import AttemptFailed, Runner
from slotgrid.core.task import Task
from worker.uplink.remote_tasks import RemoteTasks


class RelayedRunner:
    """Fulfils `Runner` by wrapping another; here a balancer's task gets only one attempt.

    The balancer itself decides about further attempts.
    """

    def __init__(self, runner: Runner, remote: RemoteTasks) -> None:
        self._runner = runner
        self._remote = remote
        self.clean = runner.clean

    def run(self, task: Task, lease: Lease | None) -> Coroutine[Any, Any, bytes]:
        """As the inner runner, except that a balancer's task is never retried here."""
        if self._remote.has(task):
            return self._run_relayed(task, lease)
        return self._runner.run(task, lease)

    async def _run_relayed(self, task: Task, lease: Lease | None) -> bytes:
        try:
            return await self._runner.run(task, lease)
        except AttemptFailed as failure:
            self._remote.attempt_failed(task, retryable=failure.retryable)
            raise AttemptFailed(failure.error, retryable=False) from failure
