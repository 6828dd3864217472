"""Clients without a key, on every route of both nodes: a header is all that they cost."""

import asyncio
import re
import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from slotgrid.intake import form_body, json_body, raw_body, server_connections
from slotgrid.intake.server_connections import Connection
from tests.harness.in_process.balancer import running_balancer
from tests.harness.in_process.node import RunningNode
from tests.harness.in_process.worker import browserless_worker
from worker.app import Worker

BODY = 64 * 1024 * 1024
READ_MOST = 1024 * 1024
"""Bytes the node may receive of a body that it does not read: what one turn of the loop brings."""
FUNCTIONS = {"echo": "async def echo(context, value: str) -> str:\n    return value\n"}


@dataclass
class Work:
    """What the nodes of this process did for their callers."""

    received: Counter[Connection] = field(default_factory=Counter)
    """Bytes by connection."""
    bodies_read: list[str] = field(default_factory=list)


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    seen = Work()
    receive, read_body = Connection.data_received, raw_body.read_body

    def data_received(connection: Connection, data: bytes) -> None:
        seen.received[connection] += len(data)
        receive(connection, data)

    async def reading(request: web.Request, **bounds: Any) -> bytes:
        read = await read_body(request, **bounds)
        seen.bodies_read.append(request.path)
        return read

    monkeypatch.setattr(Connection, "data_received", data_received)
    monkeypatch.setattr(json_body, "read_body", reading)
    monkeypatch.setattr(form_body, "read_body", reading)
    monkeypatch.setattr(server_connections, "LINGER_S", 0.1)
    return seen


@dataclass(frozen=True)
class Target:
    """A node that listens, and its routes as requests."""

    url: str
    app: web.Application

    @property
    def requests(self) -> list[tuple[str, str]]:
        """Method and path of every route, of a path that is none, and of what browsers ask."""
        routes = sorted(
            {
                (method, _filled(route.resource.canonical))
                for route in self.app.router.routes()
                if route.resource is not None
                for method in ([route.method] if route.method != "*" else ["POST"])
            }
        )
        paths = {path for _, path in routes}
        others = [("DELETE", "/task"), ("POST", "/nowhere"), ("POST", "/problems/forbidden")]
        return [*routes, *others, *(("OPTIONS", path) for path in sorted(paths))]

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.url.removeprefix("http://").split(":")
        return host, int(port)


def _filled(path: str) -> str:
    return re.sub(r"\{[^}]+\}", "x", path)


@asynccontextmanager
async def worker_target(tmp_path: Path) -> AsyncIterator[Target]:
    made: list[web.Application] = []
    make = Worker.application

    def application(worker: Worker) -> web.Application:
        made.append(make(worker))
        return made[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Worker, "application", application)
        async with browserless_worker(tmp_path, FUNCTIONS) as worker:
            yield Target(worker.url, made[0])


@asynccontextmanager
async def balancer_target(tmp_path: Path) -> AsyncIterator[Target]:
    async with running_balancer(tmp_path) as balancer:
        yield Target(balancer.url, balancer.app)


@pytest.fixture(params=[worker_target, balancer_target], ids=["worker", "balancer"])
async def target(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Target]:
    async with request.param(tmp_path) as running:
        yield running


@dataclass(frozen=True)
class Sender:
    """A client that sends without end, and reads at the same time."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def answer(self, most: int) -> bytes:
        """What it is answered; it goes on sending, `most` bytes, until the answer has ended."""
        sending = asyncio.create_task(self._send(most))
        try:
            async with asyncio.timeout(20):
                return await self.reader.read()
        finally:
            sending.cancel()
            await asyncio.wait({sending})

    async def _send(self, most: int) -> None:
        for _ in range(most // 65536):
            self.writer.write(bytes(65536))
            try:
                await self.writer.drain()
            except ConnectionError:
                return


@asynccontextmanager
async def sender(
    target: Target | RunningNode, *header: str, receive_buffer: int | None = None
) -> AsyncIterator[Sender]:
    """A connection on which this header has been sent.

    `receive_buffer`: bytes that are taken of the answer before the client reads it.
    """
    host, port = target.url.removeprefix("http://").split(":")
    opened = socket.socket()
    opened.setblocking(False)
    if receive_buffer is not None:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    await asyncio.get_running_loop().sock_connect(opened, (host, int(port)))
    reader, writer = await asyncio.open_connection(sock=opened, limit=receive_buffer or 65536)
    writer.write("\r\n".join([*header, "", ""]).encode())
    try:
        yield Sender(reader, writer)
    finally:
        writer.transport.abort()


def status_of(answer: bytes) -> int:
    assert answer.startswith(b"HTTP/1."), answer[:200]
    return int(answer.split()[1])


BODIES = {
    "gzip": ["Content-Encoding: gzip", f"Content-Length: {BODY}"],
    "chunked": ["Transfer-Encoding: chunked"],
    "multipart": [
        "Content-Type: multipart/form-data; boundary=x",
        f"Content-Length: {BODY}",
    ],
}


@pytest.mark.parametrize("kind", BODIES)
async def test_no_body_is_read_without_a_key(target: Target, work: Work, kind: str) -> None:
    few = asyncio.Semaphore(16)

    async def send(method: str, path: str) -> None:
        header = [f"{method} {path} HTTP/1.1", "Host: test", *BODIES[kind]]
        async with few, sender(target, *header) as client:
            if kind == "chunked":
                client.writer.write(b"3000000\r\n")
            answer = await client.answer(BODY // 2)
        assert 200 <= status_of(answer) < 500, (method, path, answer[:300])
        assert b"Connection: close" in answer, (method, path, answer[:300])

    async with asyncio.TaskGroup() as group:
        for method, path in target.requests:
            _ = group.create_task(send(method, path))
    assert max(work.received.values()) < READ_MOST
    assert work.bodies_read == []
