"""Requests to a forward proxy (RFC 9112): read strictly, with bounds, and written for the target.

h11 reads the framing; what it refuses is refused here too, since a request that two parsers read
differently could smuggle another one behind itself.
"""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import h11

from worker.guard.streams import Stream

HEAD_LIMIT = 256 * 1024
"""Bytes of a request's head. Chromium itself limits headers to 256 KB."""

_HOST = re.compile(r"[A-Za-z0-9._:%-]+")
"""A host name or an address. Browsers send names in their ASCII form."""

_PORTS = {b"http": 80}
# They concern the connection to the proxy (RFC 9110, 7.6.1), so the target must not see them.
_HOP_HEADERS = frozenset(
    {b"connection", b"proxy-connection", b"keep-alive", b"te", b"trailer", b"upgrade", b"host"}
)
# They frame the body: a `Connection` that names them must not take them away from it.
_FRAMING_HEADERS = frozenset({b"content-length", b"transfer-encoding"})


class BadRequest(Exception):
    """A request that a proxy does not take; the message says why."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes: a host as the request spells it, without brackets, and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @classmethod
    def parse(cls, authority: str, *, default_port: int | None = None) -> "Target":
        """Read `host:port`; an IPv6 address is in brackets. Raises BadRequest."""
        try:
            parts = urlsplit(f"//{authority}")
            host, port = parts.hostname, parts.port or default_port
        except ValueError as cause:
            raise BadRequest(f"{authority!r} is not a host and a port") from cause
        if not host or port is None or parts.path or parts.query or parts.fragment:
            raise BadRequest(f"{authority!r} is not a host and a port")
        if not _HOST.fullmatch(host):
            raise BadRequest(f"{authority!r} is not a host in ASCII")
        return cls(host, port)


@dataclass(frozen=True, slots=True)
class Request:
    """The head of a request. `head` is what the target gets; empty for `CONNECT`.

    `navigates`: for a document, by the header that browsers send with such requests alone.
    """

    method: str
    target: Target
    path: str
    head: bytes
    chunked: bool
    upgrade: bool
    navigates: bool = False

    @property
    def is_tunnel(self) -> bool:
        """Whether the client wants a tunnel: TLS, or a WebSocket."""
        return self.method == "CONNECT"


class RequestReader:
    """Reads the requests of one client connection, one after the other."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._parser = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_LIMIT)

    async def head(self) -> Request | None:
        """The next request; None when the client has closed. Raises BadRequest."""
        event = await self._event()
        if isinstance(event, h11.ConnectionClosed):
            return None
        if not isinstance(event, h11.Request):
            raise BadRequest("a request was expected")
        return _request(event)

    async def body(self, request: Request) -> AsyncIterator[bytes]:
        """The request's body, framed for the target. Raises BadRequest."""
        while True:
            event = await self._event()
            if isinstance(event, h11.Data):
                data = bytes(event.data)
                yield b"%x\r\n%b\r\n" % (len(data), data) if request.chunked else data
            elif isinstance(event, h11.EndOfMessage):
                if request.chunked:
                    yield b"0\r\n\r\n"
                break
            else:
                raise BadRequest("the request ended within its body")
        self._next()

    @property
    def waits_for_consent(self) -> bool:
        """Whether the client sends the body only after a 100 (`Expect: 100-continue`)."""
        return bool(self._parser.they_are_waiting_for_100_continue)

    def rest(self) -> bytes:
        """What the client sent behind the head: the beginning of a tunnel's data."""
        return bytes(self._parser.trailing_data[0])

    def _next(self) -> None:
        """Read the next request with a new parser: the answer is not parsed, so this never ends."""
        behind, closed = self._parser.trailing_data
        self._parser = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_LIMIT)
        if behind:
            self._parser.receive_data(behind)
        if closed:
            self._parser.receive_data(b"")

    async def _event(self) -> object:
        try:
            while (event := self._parser.next_event()) is h11.NEED_DATA:
                self._parser.receive_data(await self._stream.read())
        except h11.RemoteProtocolError as cause:
            raise BadRequest(str(cause)) from cause
        return event


def _request(event: h11.Request) -> Request:
    method, target = event.method.decode(), event.target
    if method == "CONNECT":
        return Request(method, Target.parse(target.decode("latin-1")), "", b"", False, False)
    scheme, separator, rest = target.partition(b"://")
    default_port = _PORTS.get(scheme.lower())
    if not separator or default_port is None:
        raise BadRequest("a proxy takes http:// addresses and CONNECT")
    at = min((found for char in b"/?#" if (found := rest.find(char)) >= 0), default=len(rest))
    authority, path = rest[:at], rest[at:].partition(b"#")[0]
    if not path.startswith(b"/"):
        path = b"/" + path
    to = Target.parse(authority.rpartition(b"@")[2].decode("latin-1"), default_port=default_port)
    headers, named, chunked, upgrade = [], set(), False, b""
    items = list(event.headers.raw_items())
    for name, value in items:
        if name.lower() == b"connection":
            named |= {one.strip().lower() for one in value.split(b",")}
        elif name.lower() == b"upgrade":
            upgrade = value
        elif name.lower() == b"transfer-encoding":
            chunked = True
    if chunked and any(name.lower() == b"content-length" for name, _ in items):
        raise BadRequest("a request has a Content-Length or is chunked, not both")
    named -= _FRAMING_HEADERS
    for name, value in items:
        lower = name.lower()
        if lower in _HOP_HEADERS or lower in named or lower.startswith(b"proxy-"):
            continue
        headers.append(b"%b: %b\r\n" % (name, value))
    upgrading = bool(upgrade) and b"upgrade" in named
    host = str(to) if to.port != default_port else str(to).rpartition(":")[0]
    connection = b"Upgrade\r\nUpgrade: " + upgrade if upgrading else b"keep-alive"
    head = b"%b %b HTTP/1.1\r\nHost: %b\r\n%bConnection: %b\r\n\r\n" % (
        event.method, path, host.encode("ascii"), b"".join(headers), connection,
    )  # fmt: skip
    navigates = any(name.lower() == b"upgrade-insecure-requests" for name, _ in items)
    return Request(method, to, path.decode("latin-1"), head, chunked, upgrading, navigates)
