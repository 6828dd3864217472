"""Targets that count who reached them: a port for each case, on every address of this machine."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import cast

ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/javascript\r\nContent-Length: 2\r\n"
    b"Access-Control-Allow-Origin: *\r\nConnection: close\r\n\r\n//"
)


@dataclass
class Post:
    """A port that answers every HTTP request, and the addresses at which it was reached."""

    port: int
    reached_at: list[str] = field(default_factory=list)

    def reached(self, *, but_at: str = "") -> bool:
        """Whether a connection or a datagram came, at another address than `but_at`."""
        return any(address != but_at for address in self.reached_at)


class _Tcp(asyncio.Protocol):
    def __init__(self, post: Post) -> None:
        self._post = post

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        address = transport.get_extra_info("sockname")[0]
        self._post.reached_at.append(address.removeprefix("::ffff:"))

    def data_received(self, data: bytes) -> None:
        if b"\r\n\r\n" in data:
            self._transport.write(ANSWER)
            self._transport.close()


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, post: Post) -> None:
        self._post = post

    def datagram_received(self, data: bytes, addr: object) -> None:
        self._post.reached_at.append("udp")


@asynccontextmanager
async def posts(udp: Sequence[bool]) -> AsyncIterator[list[Post]]:
    """A post for each item; true for one that takes datagrams, too."""
    loop = asyncio.get_running_loop()
    made: list[Post] = []
    open_ones: list[asyncio.Server | asyncio.DatagramTransport] = []
    try:
        for with_udp in udp:
            tcp, datagrams = _both_kinds()
            post = Post(tcp.getsockname()[1])
            made.append(post)
            open_ones.append(await loop.create_server(partial(_Tcp, post), sock=tcp))
            if with_udp:
                transport, _ = await loop.create_datagram_endpoint(
                    partial(_Udp, post), sock=datagrams
                )
                open_ones.append(transport)
            else:
                datagrams.close()
        yield made
    finally:
        for one in open_ones:
            one.close()


def _both_kinds() -> tuple[socket.socket, socket.socket]:
    """Sockets of both kinds on one free port, for IPv4 and IPv6."""
    while True:
        tcp, udp = (
            socket.socket(socket.AF_INET6, kind) for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM)
        )
        for one in (tcp, udp):
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        try:
            tcp.bind(("::", 0))
            udp.bind(("::", tcp.getsockname()[1]))
        except OSError:
            tcp.close()
            udp.close()
            continue
        return tcp, udp
