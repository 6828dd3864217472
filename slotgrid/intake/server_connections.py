"""The HTTP server of a node: limits the cost of a connection that has not shown a key.

Without a key, a connection has a time limit for its first header and for each answer. When file
descriptors run short, the server closes such connections first, so that browsers, files and links
keep the descriptors that they need.
"""

import asyncio
import os
import time
from typing import Any

import structlog
from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import HttpVersion11, RawRequestMessage
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.streams import StreamReader
from aiohttp.web_request import BaseRequest
from multidict import CIMultiDict, CIMultiDictProxy

from slotgrid.core.errors import InvalidSubmission
from slotgrid.intake.problems import problem_response
from slotgrid.runtime.descriptors import descriptor_limit, reserved_descriptors

log = structlog.get_logger()

FIRST_HEADER_S = 60.0
"""Time limit from the accept of a connection to the end of its first header; the same default as
nginx. A busy client opens thousands of connections before it sends on the first."""
ANSWER_S = 60.0
"""Time limit of a request without a key: from its header to the last byte of the answer, which a
slow client can delay."""
LINGER_S = 1.0
"""How long a connection stays half closed after an answer to an incomplete body. With an immediate
close, the kernel answers the rest with a reset, and most clients lose the answer."""
FREE_AGAIN = 32
"""Free descriptors above the reserve that end a shortage (hysteresis)."""
COUNT_EVERY_S = 0.1
"""Minimum interval between counts of the descriptors: with thousands open, a count is slow."""

EXPECTS_CONTINUE = web.RequestKey("expects_continue", bool)
"""Whether the client waits for `100 Continue` before it sends the body."""


class Connection(web.RequestHandler):
    """One connection. `shows_key`: a request on it has shown a valid key of any kind."""

    def __init__(self, manager: "NodeServer", **options: Any) -> None:
        super().__init__(manager, loop=asyncio.get_running_loop(), **options)
        self._open = manager.open
        self._time_limit: asyncio.TimerHandle | None = None
        self._broken = False
        self.shows_key = False
        self.idle = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        super().connection_made(transport)
        self._limit_time(FIRST_HEADER_S)
        self._open.add(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        """The connection is closed, by either end."""
        self._end_time_limit()
        self._open.remove(self)
        super().connection_lost(exc)

    def begin_request(self) -> None:
        """A header has arrived."""
        self.idle = False
        self._open.touch(self)
        self._end_time_limit()
        if not self.shows_key:
            self._limit_time(ANSWER_S)

    def key_shown(self) -> None:
        """End the time limits: the current request has shown a key."""
        self.shows_key = True
        self._end_time_limit()

    def abort(self) -> None:
        """Close at once and cancel a running handler."""
        if self.transport is not None:
            self.transport.abort()

    def handle_error(
        self,
        request: BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to invalid HTTP. Not logged, since any client can send it."""
        if not isinstance(exc, HttpProcessingError):
            return super().handle_error(request, status, exc, message)
        self._broken = True
        reason = (message or "").partition("\n")[0].rstrip(": ")
        answer = problem_response(InvalidSubmission(f"the request cannot be read: {reason}"))
        answer.force_close()
        return answer

    async def finish_response(
        self, request: BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send the answer. If the body has not been read to its end, read no further and close."""
        answered, lost = await super().finish_response(request, resp, start_time)
        if not lost and (self._broken or not request.content.is_eof()):
            await self._close_unread()
        self._end_time_limit()
        self.idle = True
        return answered, lost

    async def _close_unread(self) -> None:
        self.close()  # further input is neither parsed nor buffered
        self._pause_transport_reading()
        if self.transport is not None and self.transport.can_write_eof():
            self.transport.write_eof()
            await asyncio.sleep(LINGER_S)

    def _limit_time(self, seconds: float) -> None:
        self._time_limit = self._loop.call_later(seconds, self.abort)

    def _end_time_limit(self) -> None:
        if self._time_limit is not None:
            self._time_limit.cancel()
            self._time_limit = None


class OpenConnections:
    """The open connections of a node, ordered by last request, oldest first."""

    def __init__(self) -> None:
        self._connections: dict[Connection, None] = {}
        self._unclosed = 0
        self._others = 0
        self._counted_at = -COUNT_EVERY_S
        self._short = False

    def __len__(self) -> int:
        return len(self._connections)

    def add(self, connection: Connection) -> None:
        """Add a new connection; when descriptors are short, close an older one or the new one."""
        self._connections[connection] = None
        self._unclosed += 1
        free = self._free_beside_reserve(connection)
        if free < 0:
            self._make_room(connection)
        # Hysteresis: otherwise the state changes with each connection that ends.
        short = free < (FREE_AGAIN if self._short else 0)
        if short != self._short:
            self._short = short
            log.warning(
                "connections.descriptors_short" if short else "connections.descriptors_free",
                open=len(self._connections),
            )

    def touch(self, connection: Connection) -> None:
        """Move a connection with a new request to the end of the order."""
        if connection in self._connections:
            del self._connections[connection]
            self._connections[connection] = None

    def remove(self, connection: Connection) -> None:
        """The connection is closed."""
        self._connections.pop(connection, None)
        self._unclosed -= 1

    def _free_beside_reserve(self, new: Connection) -> int:
        """How many more connections may open; if negative, how many have to close."""
        opened = new.transport and new.transport.get_extra_info("socket")
        limit = descriptor_limit()
        if not opened or limit is None:
            return FREE_AGAIN
        usable = limit - reserved_descriptors(limit)
        # The kernel assigns the lowest free number, so a low number means that few are in use.
        if not self._short and opened.fileno() < usable:
            return FREE_AGAIN
        now = time.monotonic()
        if now - self._counted_at >= COUNT_EVERY_S:
            self._counted_at = now
            self._others = len(os.listdir("/proc/self/fd")) - self._unclosed  # noqa: PTH208
        return usable - self._others - len(self._connections)

    def _make_room(self, new: Connection) -> None:
        others = [one for one in self._connections if one is not new]
        closing = next((one for one in others if not one.shows_key), None)
        closing = closing or next((one for one in others if one.idle), new)
        del self._connections[closing]  # its descriptor is closed in the loop's next turn
        closing.abort()


class NodeServer(web.Server):
    """Creates a Connection for each client, behind the interface that aiohttp's runner uses."""

    def __init__(self, plain: web.Server) -> None:
        super().__init__(
            plain.request_handler,
            request_factory=plain.request_factory,
            handler_cancellation=plain.handler_cancellation,
            **plain._kwargs,
        )
        self.open = OpenConnections()
        self._plain_request = self.request_factory
        self.request_factory = self._request

    def __call__(self) -> Connection:
        """The protocol of a client that connects."""
        return Connection(self, **self._kwargs)

    def _request(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: web.RequestHandler,
        writer: AbstractStreamWriter,
        task: "asyncio.Task[None]",
    ) -> BaseRequest:
        """A request. Hides `Expect`, as aiohttp sends `100 Continue` before authentication."""
        expects = "Expect" in message.headers
        if expects:
            headers = CIMultiDict(message.headers)
            expectations = headers.popall("Expect")
            message = message._replace(headers=CIMultiDictProxy(headers))
            expects = message.version >= HttpVersion11 and "100-continue" in map(
                str.lower, expectations
            )
        request = self._plain_request(message, payload, protocol, writer, task)
        if expects:
            request[EXPECTS_CONTINUE] = True
        assert isinstance(protocol, Connection)
        protocol.begin_request()
        return request


class NodeRunner(web.AppRunner):
    """Serves an application through a NodeServer.

    Compressed bodies are not inflated: inflating one can cost a thousand times its size.
    """

    def __init__(self, app: web.Application, *, shutdown_timeout_s: float) -> None:
        super().__init__(
            app,
            handler_cancellation=True,  # a disconnect of the caller cancels its task
            access_log=None,
            shutdown_timeout=shutdown_timeout_s,
            auto_decompress=False,
            lingering_time=0.0,
        )

    async def _make_server(self) -> web.Server:
        return NodeServer(await super()._make_server())


async def close_if_unread(request: web.Request, response: web.StreamResponse) -> None:
    """Announce `Connection: close` if the answer precedes the end of the body."""
    if not request.content.is_eof():
        response.force_close()
        response.headers["Connection"] = "close"


def key_shown(request: web.Request) -> None:
    """Mark the request's connection: it has shown a key."""
    if isinstance(request.protocol, Connection):
        request.protocol.key_shown()
