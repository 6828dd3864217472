"""The client: raw keep-alive connections, so that the client is never the bottleneck.

It runs in the benchmark's process; the measured servers run in other processes.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from statistics import quantiles
from typing import Any, TypeVar, cast

import orjson

from bench.processes import KEY, Server

T = TypeVar("T")
OK = 200
HEAD = b"%s %s HTTP/1.1\r\nHost: bench\r\nAuthorization: %s\r\n"
BODY = b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"


@dataclass(slots=True)
class Load:
    """The result of one load; `cpu_s` is the CPU of the server and its children."""

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
        """The latency at that percentile, in milliseconds."""
        return quantiles(self.latencies_ms, n=100, method="inclusive")[percent - 1]


class Connection(asyncio.Protocol):
    """One keep-alive connection, one request at a time.

    It parses only the answers of the measured servers: a status, `Content-Length`, a body.
    `on_answer` is called with each, so that the next request costs neither a task nor a future.
    """

    def __init__(self) -> None:
        self.on_answer: Callable[[int, bytes], None] = lambda *_: None
        self._transport: asyncio.WriteTransport | None = None
        self._lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator:
            return
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        if len(body) == length:
            self._received = b""
            self.on_answer(int(head[9:12]), body)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._lost.done():
            self._lost.set_result(None)

    def send(self, request: bytes) -> None:
        assert self._transport is not None
        self._transport.write(request)

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body of the answer. Raises ConnectionResetError."""
        answer: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()
        self.on_answer = lambda status, body: answer.set_result((status, body))
        self.send(request)
        return await self.unless_lost(answer)

    async def unless_lost(self, future: asyncio.Future[T]) -> T:
        """The future's result. Raises ConnectionResetError if the connection closes first."""
        either: set[asyncio.Future[Any]] = {future, self._lost}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not future.done():
            raise ConnectionResetError("the server hung up")
        return future.result()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


@asynccontextmanager
async def connections(server: Server, count: int) -> AsyncIterator[list[Connection]]:
    """`count` open connections to the server."""
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
    """The JSON of one answer. Raises RuntimeError for another status than 200."""
    async with connections(server, 1) as (connection,):
        return orjson.loads(_require_ok(*await connection.ask(request)))


async def closed_load(
    server: Server, request: bytes, *, clients: int, seconds: float, expected: int = OK
) -> Load:
    """A closed load: each client sends its next request as soon as it has its answer.

    Raises RuntimeError for another status than `expected`.
    """
    load = Load()
    async with connections(server, clients) as opened:
        cpu_s = server.cpu_s()
        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for connection in opened:
                group.create_task(
                    _repeat(connection, request, began + seconds, load.latencies_ms, expected)
                )
    load.tasks = len(load.latencies_ms)
    load.elapsed_s = time.perf_counter() - began
    load.cpu_s = server.cpu_s() - cpu_s
    return load


async def _repeat(
    connection: Connection,
    request: bytes,
    until: float,
    latencies_ms: list[float],
    expected: int,
) -> None:
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    asked = time.perf_counter()

    def answered(status: int, body: bytes) -> None:
        nonlocal asked
        now = time.perf_counter()
        latencies_ms.append((now - asked) * 1000)
        asked = now
        if status != expected:
            ended.set_exception(_refusal(status, body))
        elif now < until:
            connection.send(request)
        else:
            ended.set_result(None)

    connection.on_answer = answered
    connection.send(request)
    await connection.unless_lost(ended)


async def open_load(server: Server, request: bytes, *, per_s: float, count: int) -> list[Any]:
    """An open load of `count` requests: random (a Poisson process), independent of answers.

    Returns the tasks' results, in no order. Raises RuntimeError for another status than 200.
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
    """Send every request, with `clients` connections; returns the status of each answer."""
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
    """The body of a 200. Raises RuntimeError, as a fast refusal would count as speed."""
    if status != OK:
        raise _refusal(status, body)
    return body


def _refusal(status: int, body: bytes) -> RuntimeError:
    return RuntimeError(f"the server answered {status}: {body.decode(errors='replace')}")
