"""Files that tasks saved on their workers: streamed over the link, or copied here."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from balancer.fleet.links import Links
from balancer.fleet.worker_requests import WorkerGone, WorkerRequest
from slotgrid.core.errors import Gone, Internal, WorkerLost
from slotgrid.core.runner import AttemptFailed
from slotgrid.core.task import Task
from slotgrid.records.artifact_limits import ArtifactFault
from slotgrid.records.artifacts import ArtifactNotWritten, ArtifactStore
from slotgrid.wire.messages import Reply


class RemoteFiles:
    """Implements `slotgrid.intake.node_parts.FilesElsewhere` over the links."""

    def __init__(self, links: Links, artifacts: ArtifactStore) -> None:
        self._links = links
        self._artifacts = artifacts

    @asynccontextmanager
    async def open(
        self, worker: str, task_id: str, name: str
    ) -> AsyncIterator[tuple[int | None, AsyncIterator[bytes]]]:
        """The file's size, if known, and its pieces. Raises Gone if file or worker is gone."""
        session = self._links.session(worker)
        if session is None:
            raise _gone(name, f"the worker {worker} is not connected")
        try:
            with session.ask("artifact", task=task_id, name=name) as asked:
                reply = await asked.reply()
                if reply.status != 200:
                    raise _gone(name, f"the worker {worker} no longer has it")
                yield _size_of(reply), _pieces(asked, name)
        except WorkerGone as gone:
            raise _gone(name, f"the worker {worker}: {gone}") from gone

    async def keep(self, task: Task) -> None:
        """Copy every file of the task here. Raises AttemptFailed if a copy fails.

        For durable tasks, before they complete: their files must outlive the worker.
        """
        assert task.worker is not None
        try:
            for name in list(task.artifacts):
                async with self.open(task.worker, task.id, name) as (_, pieces):
                    await self._artifacts.receive(task, name, pieces)
        except Gone as gone:
            lost = WorkerLost(f"a file of the task could not be copied: {gone.detail}")
            raise AttemptFailed(lost, retryable=True) from gone
        except ArtifactNotWritten as fault:  # disk full or DATA_DIR missing: a retry may succeed
            failed = Internal(f"a file of the task cannot be kept here: {fault}")
            raise AttemptFailed(failed, retryable=True) from fault
        except ArtifactFault as fault:
            lost = WorkerLost(f"a file of the task cannot be kept: {fault}")
            raise AttemptFailed(lost, retryable=False) from fault


def _gone(name: str, why: str) -> Gone:
    return Gone(f"the file {name!r} is no longer there: {why}")


def _size_of(reply: Reply) -> int | None:
    size = reply.head.get("size")
    return size if isinstance(size, int) and size >= 0 else None


async def _pieces(asked: WorkerRequest, name: str) -> AsyncIterator[bytes]:
    try:
        async for piece in asked.pieces():
            yield piece
    except WorkerGone as gone:
        raise _gone(name, str(gone)) from gone
