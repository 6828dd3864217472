"""The client: raw keep-alive connections, so that it is never what limits a server.

It runs in the bench's own process; what is measured runs in others.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from statistics import quantiles
from typing import Any, cast

import orjson

from bench.processes import KEY, Server

HEAD = b"%s %s HTTP/1.1\r\nHost: bench\r\nAuthorization: %s\r\n"
BODY = b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"


@dataclass(slots=True)
class Load:
    """What came of a stretch of load; `cpu_s` is the CPU of the server and its children."""

    tasks: int = 0
    elapsed_s: float = 0.0
    cpu_s: float = 0.0
    latencies_ms: list[float] = field(default_factory=list)

    @property
    def per_s(self) -> float:
        """Tasks a second."""
        return self.tasks / self.elapsed_s

    @property
    def cpu_us(self) -> float:
        """Microseconds of CPU for each task."""
        return self.cpu_s / self.tasks * 1e6

    def percentile_ms(self, percent: int) -> float:
        """The latency that so many percent of the answers kept below."""
        return quantiles(self.latencies_ms, n=100, method="inclusive")[percent - 1]


class Connection(asyncio.Protocol):
    """One keep-alive connection, one question at a time.

    It reads what the measured servers answer: a status, `Content-Length`, a body.
    """

    def __init__(self) -> None:
        self._transport: asyncio.WriteTransport | None = None
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator:
            return
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        if len(body) == length and self._answer is not None:
            self._received = b""
            self._answer.set_result((int(head[9:12]), body))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError("the server hung up"))

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body of the answer. Raises ConnectionError."""
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


@asynccontextmanager
async def connections(server: Server, count: int) -> AsyncIterator[list[Connection]]:
    """So many open connections to the server."""
    loop = asyncio.get_running_loop()
    opened: list[Connection] = []
    try:
        for _ in range(count):
            _, connection = await loop.create_connection(Connection, "127.0.0.1", server.port)
            opened.append(connection)
        yield opened
    finally:
        for connection in opened:
            connection.close()


def post(path: str, value: object) -> bytes:
    """A request with a body of JSON."""
    body = orjson.dumps(value)
    return _head("POST", path) + BODY % (len(body), body)


def get(path: str) -> bytes:
    """A request without a body."""
    return _head("GET", path) + b"\r\n"


def submit(function: str, input_: object, **fields: object) -> bytes:
    """The request that runs a function in mode sync."""
    return post("/task", {"function": function, "input": input_, **fields})


async def ask(server: Server, request: bytes) -> Any:
    """The JSON of one answer. Raises RuntimeError for a refusal."""
    async with connections(server, 1) as (connection,):
        return orjson.loads(_require_ok(*await connection.ask(request)))


async def closed_load(server: Server, request: bytes, *, clients: int, seconds: float) -> Load:
    """Each client asks again as soon as it has its answer. Raises RuntimeError for a refusal."""
    load = Load()
    cpu_s = server.cpu_s()
    began = time.perf_counter()
    until = began + seconds

    async def client(connection: Connection) -> None:
        while (asked := time.perf_counter()) < until:
            _require_ok(*await connection.ask(request))
            load.latencies_ms.append((time.perf_counter() - asked) * 1000)

    async with connections(server, clients) as opened, asyncio.TaskGroup() as group:
        for connection in opened:
            group.create_task(client(connection))
    load.tasks = len(load.latencies_ms)
    load.elapsed_s = time.perf_counter() - began
    load.cpu_s = server.cpu_s() - cpu_s
    return load


async def open_load(server: Server, request: bytes, *, per_s: float, count: int) -> list[Any]:
    """So many questions, which come at random (a Poisson process) whatever the answers do.

    Returns what the tasks returned, in no order. Raises RuntimeError for a refusal.
    """
    chance = random.Random(1)  # the same arrivals in each run
    results: list[Any] = []

    async def one() -> None:
        results.append((await ask(server, request))["result"])

    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(one())
            await asyncio.sleep(chance.expovariate(per_s))
    return results


async def ask_all(server: Server, requests: Iterable[bytes], *, clients: int) -> list[int]:
    """Put every question, so many at a time; returns the status of each answer."""
    waiting = iter(requests)
    statuses: list[int] = []

    async def client(connection: Connection) -> None:
        for request in waiting:
            status, _ = await connection.ask(request)
            statuses.append(status)

    async with connections(server, clients) as opened, asyncio.TaskGroup() as group:
        for connection in opened:
            group.create_task(client(connection))
    return statuses


def _head(method: str, path: str) -> bytes:
    return HEAD % (method.encode(), path.encode(), KEY.encode())


def _require_ok(status: int, body: bytes) -> bytes:
    """The body of an answer that counts: a refusal is fast, and would be counted as speed."""
    if status != 200:
        raise RuntimeError(f"the server answered {status}: {body.decode(errors='replace')}")
    return body
