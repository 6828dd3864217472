"""A client that says to a guard whatever a test wants, byte by byte, and servers that do, too."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.harness.waiting import until
from worker.guard.context_guard import ContextGuard

GIVE_UP_S = 20.0
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

Serve = Callable[["ServedConnection"], Awaitable[None]]


class Client:
    """One connection to a guard, or to a proxy."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def head(self) -> bytes:
        """The head of an answer."""
        async with asyncio.timeout(GIVE_UP_S):
            return await self.reader.readuntil(b"\r\n\r\n")

    async def exactly(self, size: int) -> bytes:
        async with asyncio.timeout(GIVE_UP_S):
            return await self.reader.readexactly(size)

    async def answer(self) -> tuple[int, bytes]:
        """The status and the body of an answer that has a Content-Length."""
        head = await self.head()
        headers = dict(
            line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line
        )
        return int(head.split(b" ")[1]), await self.exactly(int(headers[b"content-length"]))

    async def rest(self) -> bytes:
        """All that still comes, until the end, be it a reset."""
        data = b""
        async with asyncio.timeout(GIVE_UP_S):
            try:
                while more := await self.reader.read(65536):
                    data += more
            except ConnectionError:
                pass
        return data


@asynccontextmanager
async def client_of(guard: ContextGuard) -> AsyncIterator[Client]:
    """A connection to a guard."""
    port = int(guard.server.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Client(reader, writer)
    finally:
        writer.transport.abort()


@dataclass
class ServedConnection:
    """One connection that a target got."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    heads: list[bytes] = field(default_factory=list)
    """What came first in each request."""

    async def head(self) -> bytes:
        """The head of the next request."""
        self.heads.append(await self.reader.readuntil(b"\r\n\r\n"))
        return self.heads[-1]

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()


@dataclass
class Target:
    """A server that a test wrote."""

    host: str
    port: int = 0
    connections: list[ServedConnection] = field(default_factory=list)
    open_connections: int = 0

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.authority}"

    @property
    def heads(self) -> list[bytes]:
        return [head for one in self.connections for head in one.heads]


@asynccontextmanager
async def target(serve: Serve, *, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[Target]:
    """A server that serves each connection so, then closes it."""
    told = Target(host)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = ServedConnection(reader, writer)
        told.connections.append(connection)
        told.open_connections += 1
        try:
            await serve(connection)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            told.open_connections -= 1
            writer.close()

    server = await asyncio.start_server(handle, host, port)
    told.port = server.sockets[0].getsockname()[1]
    try:
        yield told
    finally:
        server.close()
        for connection in told.connections:
            if not connection.writer.transport.is_closing():
                connection.writer.transport.abort()
        await until(lambda: told.open_connections == 0)


async def keeps_alive(connection: ServedConnection) -> None:
    """Answers each request without a body with `ok`."""
    while True:
        await connection.head()
        await connection.send(OK)


async def silent(connection: ServedConnection) -> None:
    """Never answers."""
    await connection.reader.read(-1)


async def echoes(connection: ServedConnection) -> None:
    """Returns every byte, then its end."""
    while data := await connection.reader.read(65536):
        await connection.send(data)
