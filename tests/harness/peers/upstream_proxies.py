"""Small real proxies, of each kind that a guard may stand behind."""

import asyncio
import base64
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class UpstreamProxy:
    """Forwards what it is asked for, and remembers it.

    `username` and `password` are those that it wants; empty for none. `names`: addresses of hosts
    as this proxy resolves them; others as the machine does. `silent`: it never answers. `refuses`:
    its answer to every request.
    """

    scheme: str = "http"
    username: str = ""
    password: str = ""
    names: Mapping[str, str] = field(default_factory=dict)
    silent: bool = False
    refuses: bytes = b""
    port: int = 0
    asked: list[str] = field(default_factory=list)
    """Each target, as a client spelled it: `CONNECT host:port`, `GET url`, `SOCKS host:port`."""
    open_connections: int = 0

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @asynccontextmanager
    async def running(self, tls: ssl.SSLContext | None = None) -> AsyncIterator["UpstreamProxy"]:
        """Listen on a free port of 127.0.0.1."""
        tasks: set[asyncio.Task[None]] = set()

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            self.open_connections += 1
            try:
                with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                    await self._serve(reader, writer)
            finally:
                self.open_connections -= 1
                tasks.discard(task)
                writer.transport.abort()

        server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in list(tasks):
                task.cancel()
            if tasks:
                await asyncio.wait(list(tasks))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.silent:
            await reader.read(-1)
        elif self.scheme == "socks5":
            await self._socks(reader, writer)
        else:
            await self._http(reader, writer)

    async def _http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        line, *headers = head[:-4].split(b"\r\n")
        method, url, _ = line.decode().split(" ")
        self.asked.append(f"{method} {url}")
        pair = base64.b64encode(f"{self.username}:{self.password}".encode())
        if self.username and b"Proxy-Authorization: Basic " + pair not in headers:
            writer.write(b"HTTP/1.1 407 Who is it\r\nContent-Length: 0\r\n\r\n")
        elif self.refuses:
            writer.write(self.refuses)
        elif method == "CONNECT":
            host, _, port = url.rpartition(":")
            to = await self._open(host.strip("[]"), int(port))
            writer.write(b"HTTP/1.1 200 Go on\r\nVia: test\r\n\r\n")
            await _both_ways((reader, writer), to)
        else:
            parts = urlsplit(url)
            to = await self._open(parts.hostname or "", parts.port or 80)
            kept = [one for one in headers if not one.lower().startswith(b"proxy-")]
            path = url[len(f"{parts.scheme}://{parts.netloc}") :]
            to[1].write(b"\r\n".join([f"{method} {path} HTTP/1.1".encode(), *kept, b"", b""]))
            await _both_ways((reader, writer), to)
        with suppress(OSError):
            await writer.drain()
            if writer.can_write_eof():  # TLS cannot
                writer.write_eof()

    async def _socks(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """RFC 1928 and 1929, CONNECT alone."""
        methods = await reader.readexactly((await reader.readexactly(2))[1])
        wanted = 2 if self.username else 0
        if wanted not in methods:
            writer.write(b"\x05\xff")
            await writer.drain()
            return
        writer.write(bytes([5, wanted]))
        if self.username:
            await reader.readexactly(1)
            name = await reader.readexactly((await reader.readexactly(1))[0])
            password = await reader.readexactly((await reader.readexactly(1))[0])
            right = (name.decode(), password.decode()) == (self.username, self.password)
            writer.write(b"\x01\x00" if right else b"\x01\x01")
            if not right:
                await writer.drain()
                return
        kind = (await reader.readexactly(4))[3]
        if kind == 3:
            host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
        elif kind == 1:
            host = socket.inet_ntoa(await reader.readexactly(4))
        else:
            host = socket.inet_ntop(socket.AF_INET6, await reader.readexactly(16))
        (port,) = struct.unpack("!H", await reader.readexactly(2))
        self.asked.append(f"SOCKS {host}:{port}")
        if self.refuses:
            writer.write(self.refuses)
            await writer.drain()
            return
        to = await self._open(host, port)
        writer.write(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
        await _both_ways((reader, writer), to)

    async def _open(
        self, host: str, port: int
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(self.names.get(host, host), port)


_Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _both_ways(near: _Pair, far: _Pair) -> None:
    async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
            if sink.can_write_eof():  # TLS cannot
                sink.write_eof()

    try:
        await asyncio.gather(copy(near[0], far[1]), copy(far[0], near[1]))
    finally:
        far[1].transport.abort()
