"""Those a webhook is sent to, well-behaved and not, and a resolver that says what it is told."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from slotgrid.net.addresses import AddressPolicy
from slotgrid.webhooks.sender import Delivery

LOOPBACK = AddressPolicy.parse("127.0.0.0/8")
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = b'{"test": 2432232314}'

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True)
class Received:
    """One request that reached a receiver."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """Where it listens, and what reached it."""

    port: int = 0
    host: str = "127.0.0.1"
    scheme: str = "http"
    received: list[Received] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}/done"

    def delivery(self, **fields: object) -> Delivery:
        """A delivery to this receiver, with other fields if need be."""
        return Delivery(**{"id": "task-1", "url": self.url, "body": BODY} | fields)  # type: ignore[arg-type]


async def ok(request: web.Request) -> web.Response:
    return web.Response(text="thank you")


@asynccontextmanager
async def receiver(
    answer: Answer = ok,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Receiver]:
    """A real server that answers each request so."""
    told = Receiver(host=host, scheme="https" if tls else "http")

    async def handle(request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        told.received.append(Received(request.path_qs, headers, await request.read()))
        return await answer(request)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, ssl_context=tls)
        await site.start()
        told.port = runner.addresses[0][1]
        yield told
    finally:
        await runner.cleanup()


@dataclass
class RawReceiver(Receiver):
    """A receiver that is no HTTP server: whether it was asked, and whether the sender hung up."""

    asked: asyncio.Event = field(default_factory=asyncio.Event)
    closed: asyncio.Event = field(default_factory=asyncio.Event)


@asynccontextmanager
async def raw_receiver(script: Script) -> AsyncIterator[RawReceiver]:
    """Reads a request, then does what the script says, then waits until the sender hangs up."""
    told = RawReceiver()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            told.received.append(Received("", {}, head))
            with suppress(ConnectionError):
                await reader.readexactly(len(BODY))
                told.asked.set()
                await script(reader, writer)
                await reader.read()
        finally:
            told.closed.set()
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    server = await asyncio.start_server(handle, told.host, 0)
    async with server:
        told.port = server.sockets[0].getsockname()[1]
        yield told


class FakeResolver(AbstractResolver):
    """Answers each question about a host with the next of its answers, the last one for ever."""

    def __init__(self, answers: Mapping[str, Sequence[Sequence[str]]]) -> None:
        self._answers = {host: list(each) for host, each in answers.items()}
        self.asked: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        self.asked.append(host)
        answers = self._answers[host]
        addresses = answers.pop(0) if len(answers) > 1 else answers[0]
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        pass
