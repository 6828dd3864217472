"""Answers a balancer's requests other than tasks: files, logs, health, on, off and drain."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import structlog

from slotgrid.core.errors import (
    Conflict,
    Gone,
    Internal,
    InvalidSubmission,
    NotFound,
    NoWorker,
    ServiceError,
    UnknownTask,
)
from slotgrid.core.event_log import encode_json
from slotgrid.core.node_state import NodeState, NodeStatus
from slotgrid.core.task import Task, log_line
from slotgrid.records.artifacts import ArtifactStore
from slotgrid.records.history import History
from slotgrid.runtime.logs import LogRing
from slotgrid.runtime.setting_choices import LogLevel
from slotgrid.wire.limits import PIECE_BYTES
from slotgrid.wire.link import Link
from slotgrid.wire.messages import Ask, FromBalancer, Reply

NDJSON = "application/x-ndjson"
READ_BYTES = 4 * PIECE_BYTES
PAUSE_S = 0.006
"""Throttle: a pause after READ_BYTES of a file. Without this limit of 20 MiB a second, a large
file takes a core from tasks."""
REQUESTS_LIMIT = 64
"""Open requests of one balancer; a further one fails with Conflict."""

log = structlog.get_logger()


class RequestHandlers:
    """The answers to all requests of balancers; one object per worker.

    `drain` begins a drain with that limit in seconds (None: the setting). `wake` lets the
    dispatcher look for work.
    """

    def __init__(
        self,
        *,
        status: NodeStatus,
        history: History,
        artifacts: ArtifactStore,
        logs: LogRing,
        health: Callable[[], Mapping[str, Any]],
        drain: Callable[[float | None], None],
        wake: Callable[[], None],
    ) -> None:
        self._status = status
        self._history = history
        self._artifacts = artifacts
        self._logs = logs
        self._health = health
        self._drain = drain
        self._wake = wake

    def health(self) -> Any:
        """As an authenticated `GET /health`."""
        return {"status": self._status.state, **self._health()}

    def logs(self, ask: Ask) -> Any:
        """As `GET /logs`."""
        try:
            level = LogLevel(ask.level or LogLevel.DEBUG)
        except ValueError:
            raise InvalidSubmission(f"there is no level {ask.level!r}") from None
        return {"logs": self._logs.entries(level, ask.limit)}

    def task_log(self, ask: Ask) -> bytes:
        """As `GET /tasks/{id}/logs`."""
        lines = self._task(ask).logs.after(0)
        return b"".join(log_line(line) + b"\n" for line in lines if ask.step in {None, line.kind})

    def file(self, ask: Ask) -> tuple[Path, str]:
        """The path of the requested artifact, and its content type.

        Raises NotFound, or UnknownTask.
        """
        task, name = self._task(ask), ask.name or ""
        if name not in task.artifacts:
            raise NotFound(f"the task saved no file {name!r}")
        return self._artifacts.path(task.id, name), task.artifacts[name].content_type

    def switch(self, ask: Ask, asker: str) -> Any:
        """As `POST /on`, `/off` and `/drain`."""
        if self._status.state is NodeState.STARTING and ask.what == "on":
            raise NoWorker("the worker is still starting", retry_after_s=1, reason="starting")
        wanted = {
            "on": NodeState.READY,
            "off": NodeState.MAINTENANCE,
            "drain": NodeState.DRAINING,
        }[ask.what]
        changed = self._status.move_to(wanted)  # raises Conflict
        log.info(f"audit.{ask.what}", user=asker, changed=changed, deadline_s=ask.deadline_s)
        if ask.what == "drain":
            self._drain(ask.deadline_s)
        self._wake()
        return {"status": self._status.state, "message": f"is in state {self._status.state}"}

    def _task(self, ask: Ask) -> Task:
        task = self._history.get(ask.task or "")
        if task is None:
            raise UnknownTask(f"the worker knows no task {ask.task!r}")
        return task


class BalancerRequests:
    """The open requests of one link."""

    def __init__(self, answers: RequestHandlers, link: Link[FromBalancer], asker: str) -> None:
        self._answers = answers
        self._link = link
        self._asker = asker
        self._open: dict[str, asyncio.Task[None]] = {}
        self._credited: dict[str, asyncio.Event] = {}

    def handle(self, ask: Ask) -> None:
        """Begin to answer a request."""
        if ask.ask in self._open or len(self._open) >= REQUESTS_LIMIT:
            self._fail(ask, Conflict(f"{len(self._open)} requests are open"))
            return
        answering = asyncio.get_running_loop().create_task(
            self._answer(ask), name=f"answer {ask.what}"
        )
        self._open[ask.ask] = answering
        answering.add_done_callback(lambda _: self._closed(ask.ask))

    def stop(self, ask: str) -> None:
        """Cancel that answer: the balancer no longer waits for it."""
        if (answering := self._open.get(ask)) is not None:
            answering.cancel()

    def credited(self, ask: str) -> None:
        """Continue that answer: the balancer returned credits."""
        if (credited := self._credited.get(ask)) is not None:
            credited.set()

    async def end(self) -> None:
        """Cancel all answers, and wait for their end."""
        answering = list(self._open.values())
        for task in answering:
            task.cancel()
        if answering:
            await asyncio.wait(answering)

    def _closed(self, ask: str) -> None:
        del self._open[ask]
        self._credited.pop(ask, None)
        self._link.forget(ask)

    async def _answer(self, ask: Ask) -> None:
        answers = self._answers
        try:
            if ask.what == "artifact":
                await self._send_file(ask, *answers.file(ask))
            elif ask.what == "task_logs":
                text = answers.task_log(ask)
                await self._send_bytes(ask, text, NDJSON)
            elif ask.what == "logs":
                await self._reply(ask, answers.logs(ask))
            elif ask.what == "health":
                await self._reply(ask, answers.health())
            else:
                await self._reply(ask, answers.switch(ask, self._asker))
        except ServiceError as error:
            self._fail(ask, error)
        except Exception:  # the edge of the answer's own task: the balancer gets an error
            log.exception("uplink.answer_failed", what=ask.what)
            self._fail(ask, Internal("the worker failed on this request"))

    async def _reply(self, ask: Ask, value: Any) -> None:
        body = msgspec.Raw(encode_json(value))
        while not self._link.has_room(len(bytes(body))):
            room = asyncio.Event()
            self._link.when_room(ask.ask, room.set)
            await room.wait()
        self._link.send(Reply(ask=ask.ask, status=200, body=body), ask.ask)

    def _fail(self, ask: Ask, error: ServiceError) -> None:
        body = msgspec.Raw(encode_json(error.to_problem()))
        self._link.send(Reply(ask=ask.ask, status=error.status, body=body), ask.ask)

    async def _send_file(self, ask: Ask, path: Path, content_type: str) -> None:
        try:
            file = await asyncio.to_thread(path.open, "rb")
        except FileNotFoundError:
            raise Gone(f"the file {ask.name!r} was removed") from None
        try:
            size = os.fstat(file.fileno()).st_size
            await self._send(ask, _pieces(file), size, content_type)
        finally:
            file.close()

    async def _send_bytes(self, ask: Ask, body: bytes, content_type: str) -> None:
        async def pieces() -> AsyncIterator[bytes]:
            for start in range(0, len(body), PIECE_BYTES):
                yield body[start : start + PIECE_BYTES]

        await self._send(ask, pieces(), len(body), content_type)

    async def _send(
        self, ask: Ask, pieces: AsyncIterator[bytes], size: int, content_type: str
    ) -> None:
        """Send the reply and then its content, at the rate of the balancer's credits."""
        link, id_ = self._link, ask.ask
        head = {"content_type": content_type, "size": size}
        nothing = msgspec.Raw(b"null")
        link.send(Reply(ask=id_, status=200, head=head, body=nothing, last=False), id_)
        credited = self._credited[id_] = asyncio.Event()
        async for piece in pieces:
            while link.credits(id_) <= 0:
                credited.clear()
                await credited.wait()
            link.send_data(id_, piece, last=False)
        link.send_data(id_, b"", last=True)


async def _pieces(file: BinaryIO) -> AsyncIterator[bytes]:
    """The file in pieces, read in a thread, as a disk may be slow.

    Each read covers several pieces, as a switch to a thread costs more than sending one piece.
    """
    while block := await asyncio.to_thread(file.read, READ_BYTES):
        for start in range(0, len(block), PIECE_BYTES):
            yield block[start : start + PIECE_BYTES]
            await asyncio.sleep(0)  # other work runs between two pieces
        await asyncio.sleep(PAUSE_S)
