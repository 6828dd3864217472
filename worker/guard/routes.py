"""How a request gets to its target: directly, or through another proxy."""

import asyncio
import base64
import ssl
from typing import Protocol

import socksio
from socksio.socks5 import SOCKS5UsernamePasswordReply

from slotgrid.net.proxy_address import ProxyAddress
from slotgrid.runtime.setting_choices import ProxyResolver
from worker.guard.dialer import dial
from worker.guard.requests import Request, Target
from worker.guard.rules import Rules
from worker.guard.streams import Stream

HEAD_LIMIT = 64 * 1024
"""Bytes of a proxy's answer to CONNECT."""
UPSTREAM_S = 30.0
"""Seconds in which a proxy, once connected, opens a connection to a target."""


class UpstreamFault(OSError):
    """The upstream proxy cannot be used, or did not open a connection; the text says why."""


class Route(Protocol):
    """Opens connections for requests."""

    async def open(self, request: Request, rules: Rules) -> Stream:
        """A connection on which `head` reaches the target. Raises Refused, or OSError."""

    def head(self, request: Request) -> bytes:
        """The request's head for such a connection."""


class Direct:
    """To the target itself."""

    async def open(self, request: Request, rules: Rules) -> Stream:
        """A connection to an address of the target that was checked."""
        return await dial((await rules.check(request)).addresses)

    def head(self, request: Request) -> bytes:
        """The head in the form for a server."""
        return request.head


class ThroughProxy:
    """To an upstream proxy. Its own address is checked like a target's, unless `trusted`.

    With `resolver` "guard" the target's name is resolved and checked here, and the proxy gets the
    checked address. With "proxy" it gets the name, for networks where only the proxy can resolve
    names: then only targets that are addresses themselves are checked.
    """

    def __init__(
        self,
        upstream: ProxyAddress,
        *,
        resolver: ProxyResolver = ProxyResolver.GUARD,
        trusted: bool = False,
    ) -> None:
        self._upstream = upstream
        self._trusted = trusted
        self._resolver = resolver
        self._tls = ssl.create_default_context() if upstream.scheme == "https" else None
        self._authorization = b""
        if upstream.username:
            pair = f"{upstream.username}:{upstream.password}".encode()
            self._authorization = b"Proxy-Authorization: Basic %b\r\n" % base64.b64encode(pair)

    async def open(self, request: Request, rules: Rules) -> Stream:
        """A connection to the proxy; for tunnels and SOCKS, one through it to the target."""
        target = await self._checked(request, rules)
        upstream = self._upstream
        proxy = Target(upstream.host, upstream.port)
        addresses = await rules.proxy_addresses(proxy, trusted=self._trusted)
        stream = await dial(addresses, tls=self._tls, host=upstream.host)
        try:
            async with asyncio.timeout(UPSTREAM_S):
                if upstream.scheme == "socks5":
                    await self._socks(stream, target)
                elif self._tunnels(request):
                    await self._connect(stream, target)
        except TimeoutError as cause:
            stream.cut()
            raise UpstreamFault("the proxy did not answer in time") from cause
        except BaseException:
            stream.cut()
            raise
        return stream

    def head(self, request: Request) -> bytes:
        """The head: for an HTTP proxy in the form for a proxy, else in that for a server."""
        if self._upstream.scheme == "socks5" or self._tunnels(request):
            return request.head
        line, _, rest = request.head.partition(b"\r\n")
        method, path, version = line.split(b" ")
        url = b"http://" + str(request.target).encode() + path
        return b"%b %b %b\r\n%b%b" % (method, url, version, self._authorization, rest)

    def _tunnels(self, request: Request) -> bool:
        """Whether an HTTP proxy opens a tunnel, to the address that it is given.

        Also for plain requests where the guard resolves: a URL would have the name, which the proxy
        resolves again, possibly to an unchecked address.
        """
        guarded = self._resolver is ProxyResolver.GUARD
        return guarded or request.is_tunnel or request.upgrade

    async def _checked(self, request: Request, rules: Rules) -> Target:
        """The target as the proxy gets it."""
        if self._resolver is ProxyResolver.PROXY:
            await rules.check_literal(request)
            return request.target
        found = await rules.check(request)
        return Target(found.addresses[0][4][0], request.target.port)

    async def _connect(self, stream: Stream, target: Target) -> None:
        host = str(target).encode()
        await stream.write(
            b"CONNECT %b HTTP/1.1\r\nHost: %b\r\n%b\r\n" % (host, host, self._authorization)
        )
        answer = b""
        while b"\r\n\r\n" not in answer:
            if len(answer) > HEAD_LIMIT or not (data := await stream.read()):
                raise UpstreamFault("the proxy did not answer CONNECT")
            answer += data
        head, _, behind = answer.partition(b"\r\n\r\n")
        line = head.split(b"\r\n")[0].split(b" ", 2)
        if len(line) < 2 or not line[0].startswith(b"HTTP/1.") or line[1] != b"200":
            reason = b" ".join(line[1:])[:80].decode("latin-1")
            raise UpstreamFault(f"the proxy refused the connection: {reason}")
        stream.unread(behind)

    async def _socks(self, stream: Stream, target: Target) -> None:
        socks, upstream = socksio.SOCKS5Connection(), self._upstream
        methods = [socksio.SOCKS5AuthMethod.NO_AUTH_REQUIRED]
        if upstream.username:
            methods.append(socksio.SOCKS5AuthMethod.USERNAME_PASSWORD)
        try:
            socks.send(socksio.SOCKS5AuthMethodsRequest(methods))
            await stream.write(socks.data_to_send())
            chosen = socks.receive_data(await stream.read_exactly(2))
            assert isinstance(chosen, socksio.SOCKS5AuthReply)
            if chosen.method is socksio.SOCKS5AuthMethod.USERNAME_PASSWORD:
                pair = upstream.username.encode(), upstream.password.encode()
                socks.send(socksio.SOCKS5UsernamePasswordRequest(*pair))
                await stream.write(socks.data_to_send())
                accepted = socks.receive_data(await stream.read_exactly(2))
                assert isinstance(accepted, SOCKS5UsernamePasswordReply)
                if not accepted.success:
                    raise UpstreamFault("the proxy refused user and password")
            elif chosen.method is not socksio.SOCKS5AuthMethod.NO_AUTH_REQUIRED:
                raise UpstreamFault("the proxy wants another way to authenticate")
            address = (target.host, target.port)
            command = socksio.SOCKS5CommandRequest.from_address(
                socksio.SOCKS5Command.CONNECT, address
            )
            socks.send(command)
            await stream.write(socks.data_to_send())
            reply = socks.receive_data(await _socks_reply(stream))
            assert isinstance(reply, socksio.SOCKS5Reply)
        except (socksio.ProtocolError, ValueError) as cause:
            raise UpstreamFault(f"the proxy does not speak SOCKS5: {cause}") from cause
        if reply.reply_code is not socksio.SOCKS5ReplyCode.SUCCEEDED:
            raise UpstreamFault(f"the proxy refused the connection: {reply.reply_code.name}")


async def _socks_reply(stream: Stream) -> bytes:
    """One reply (RFC 1928, section 6): four bytes, an address of the given type, a port."""
    head = await stream.read_exactly(4)
    if head[3] == 3:
        size = await stream.read_exactly(1)
        return head + size + await stream.read_exactly(size[0] + 2)
    return head + await stream.read_exactly({1: 4, 4: 16}.get(head[3], 0) + 2)
