"""A streamed answer: headers at once, then each item when it is ready, pings in between."""

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from aiohttp import web

from slotgrid.core.errors import Unauthorized
from slotgrid.core.event_log import encode_json
from slotgrid.intake.auth import KEY
from slotgrid.intake.framing import EVENT_STREAM, PLAIN
from slotgrid.intake.problems import BEGUN
from slotgrid.users.users import Key

T = TypeVar("T")

PING_S = 15.0
"""Longest silence on a stream of server-sent events, after which a ping is sent."""
PING = b": ping\n\n"
UNREAD_S = 60.0
"""Time for a slow reader to read the rest, at most 4 MiB, after the end of the items."""
LAST_WORD_S = 5.0
"""Time for the event that says that a key has ended: its reader may have stopped to read."""
HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


async def open_stream(
    request: web.Request, content_type: str, headers: dict[str, str] | None = None
) -> web.StreamResponse:
    """Send the headers of a streamed answer."""
    response = web.StreamResponse(headers=HEADERS | (headers or {}))
    response.content_type = content_type
    if content_type == PLAIN:
        response.charset = "utf-8"
    request[BEGUN] = True
    await response.prepare(request)
    return response


async def send(
    request: web.Request,
    response: web.StreamResponse,
    items: AsyncIterable[T],
    frame: Callable[[T], bytes],
    *,
    ended: Callable[[], Awaitable[None]],
) -> None:
    """Write each item in its frame. `ended` returns when no further item can follow.

    A slow reader can delay its own task, but the connection is aborted UNREAD_S after `ended`. A
    stream ends with the key of its reader, whose last event then says so. Raises ConnectionError if
    the caller has disconnected.
    """
    writer = _Writer(response)
    cutting = asyncio.create_task(_cut_off(request, ended), name="cut off a slow reader")
    watching = None
    if (key := request.get(KEY)) is not None:
        watching = asyncio.create_task(_end_with_key(request, writer, key), name="end with a key")
    pinging = None
    if response.content_type == EVENT_STREAM:
        pinging = asyncio.create_task(writer.ping(), name="ping a stream")
    try:
        async for item in items:
            await writer.write(frame(item))
        for other in (pinging, watching):
            if other is not None:
                other.cancel()  # a write after the end is an error
        await response.write_eof()
    finally:
        for other in (cutting, pinging, watching):
            if other is not None:
                other.cancel()


class _Writer:
    def __init__(self, response: web.StreamResponse) -> None:
        self._response = response
        self.has_events = response.content_type == EVENT_STREAM
        self._loop = asyncio.get_running_loop()
        self._written_at = self._loop.time()

    async def write(self, piece: bytes) -> None:
        self._written_at = self._loop.time()
        await self._response.write(piece)

    async def ping(self) -> None:
        with suppress(ConnectionError):  # the write of the next item raises it too
            while True:
                silent_s = self._loop.time() - self._written_at
                if silent_s >= PING_S:
                    await self.write(PING)
                else:
                    await asyncio.sleep(PING_S - silent_s)


async def _end_with_key(request: web.Request, writer: _Writer, key: Key) -> None:
    await key.ended.wait()
    gone = Unauthorized("the key of this stream has ended")
    with suppress(ConnectionError, TimeoutError):
        async with asyncio.timeout(LAST_WORD_S):
            if writer.has_events:
                await writer.write(b"event: error\ndata: %s\n\n" % encode_json(gone.to_problem()))
    if request.transport is not None:
        request.transport.close()  # after what is in its buffer
    await asyncio.sleep(UNREAD_S)
    if request.transport is not None:
        request.transport.abort()


async def _cut_off(request: web.Request, ended: Callable[[], Awaitable[None]]) -> None:
    await ended()
    await asyncio.sleep(UNREAD_S)
    if request.transport is not None:
        request.transport.abort()
