"""A forward proxy of HTTP and of SOCKS 5 (RFC 1928), which notes what it was asked for."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class ForwardProxy:
    """What a proxy on `port` of 127.0.0.1 was asked for; `login` as `user:password` if it asks."""

    port: int = 0
    login: str | None = None
    asked: list[str] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)

    async def serve_http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection that asks by absolute URL, or by CONNECT."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        method, target, _ = head.split("\r\n")[0].split(" ")
        lines = head.split("\r\n")[1:]
        given = [line.split(" ")[-1] for line in lines if line.lower().startswith("proxy-auth")]
        self.logins += [base64.b64decode(one).decode() for one in given]
        if self.login is not None and self.login not in self.logins[-1:]:
            writer.write(
                b"HTTP/1.1 407 Who are you?\r\nProxy-Authenticate: Basic realm=proxy\r\n"
                b"Content-Length: 0\r\nConnection: close\r\n\r\n"
            )
            writer.close()
            return
        self.asked.append(target)
        if method == "CONNECT":
            host, _, port = target.rpartition(":")
            far = await asyncio.open_connection(host, int(port))
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        else:
            url = urlsplit(target)
            far = await asyncio.open_connection(url.hostname, url.port or 80)
            kept = [line for line in lines if line and not line.lower().startswith("proxy-")]
            path = url.path + (f"?{url.query}" if url.query else "")
            request = [f"{method} {path} HTTP/1.1", *kept, "Connection: close", "", ""]
            far[1].write("\r\n".join(request).encode("latin-1"))
        await join((reader, writer), far)

    async def serve_socks(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection by SOCKS 5 to a name or an IPv4 address."""
        _, methods = await reader.readexactly(2)
        await reader.readexactly(methods)
        writer.write(b"\x05\x00")
        *_, kind = await reader.readexactly(4)
        if kind == 3:
            (length,) = await reader.readexactly(1)
            host = (await reader.readexactly(length)).decode()
        else:
            host = ".".join(map(str, await reader.readexactly(4)))
        port = int.from_bytes(await reader.readexactly(2))
        self.asked.append(f"{host}:{port}")
        far = await asyncio.open_connection(host, port)
        writer.write(b"\x05\x00\x00\x01" + bytes(6))
        await join((reader, writer), far)


Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def join(near: Stream, far: Stream) -> None:
    """Copy in both directions until one ends."""

    async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()

    ways = [asyncio.create_task(copy(near[0], far[1])), asyncio.create_task(copy(far[0], near[1]))]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.wait(ways)
        near[1].close()
        far[1].close()


@asynccontextmanager
async def forward_proxy(
    *, login: str | None = None, socks: bool = False
) -> AsyncIterator[ForwardProxy]:
    """A proxy on a free port of 127.0.0.1, of HTTP or of SOCKS 5."""
    proxy = ForwardProxy(login=login)
    open_ones: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        open_ones.add(task)
        try:
            # Cancelled at the end of the block: asyncio would log that of a connection's task.
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await (proxy.serve_socks if socks else proxy.serve_http)(reader, writer)
        finally:
            writer.close()
            open_ones.discard(task)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        for task in open_ones:
            task.cancel()
        if open_ones:
            await asyncio.wait(open_ones)
