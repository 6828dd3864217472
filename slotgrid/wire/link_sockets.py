"""Opens links: dials the other node's `GET /link`, or accepts its dial."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
from aiohttp import ClientError, ClientSession, ClientWSTimeout, WSServerHandshakeError, web
from yarl import URL

from slotgrid.net.dialling import DialFailed
from slotgrid.net.faults import connection_fault
from slotgrid.wire.encoding import Reader
from slotgrid.wire.limits import CLOSE_S, FRAME_LIMIT, HANDSHAKE_S
from slotgrid.wire.link import Link
from slotgrid.wire.link_ending import CloseCode

M = TypeVar("M")
PATH = "link"

log = structlog.get_logger()


def link_url(base: str) -> URL:
    """The URL at which a node accepts links; `https` becomes `wss`."""
    url = URL(base)
    return url.with_scheme({"http": "ws", "https": "wss"}.get(url.scheme, url.scheme)) / PATH


async def dial(session: ClientSession, base: str, key: str, reader: Reader[M]) -> Link[M]:
    """Open a link to the node at `base`; the caller runs it. Raises DialFailed."""
    try:
        async with asyncio.timeout(HANDSHAKE_S):
            socket = await session.ws_connect(
                link_url(base),
                headers={"Authorization": f"Bearer {key}"},
                timeout=ClientWSTimeout(ws_close=CLOSE_S),
                max_msg_size=FRAME_LIMIT + 1,
                decode_text=False,
            )
    except TimeoutError as cause:
        raise DialFailed(f"no answer within {HANDSHAKE_S:g} s") from cause
    except WSServerHandshakeError as cause:
        raise DialFailed(f"answered {cause.status}{_MEANINGS.get(cause.status, '')}") from cause
    except (ClientError, OSError, ValueError) as cause:
        raise DialFailed(connection_fault(cause)) from cause
    # The only way to the transport; without it, a hanging peer keeps the socket open.
    connection = socket._response.connection
    transport = connection.transport if connection is not None else None
    return Link(socket, reader, cut=transport.abort if transport else _nothing, peer=base)


async def serve(
    request: web.Request, reader: Reader[M], converse: Callable[[Link[M]], Awaitable[object]]
) -> web.WebSocketResponse:
    """Answer `GET /link`: accept the link, and run `converse` until it ends.

    `converse` has an asyncio task of its own: aiohttp cancels a handler whose caller is gone, but
    the link detects its end by itself.
    """
    socket, link = await accept(request, reader)
    conversing = asyncio.ensure_future(converse(link))
    try:
        await asyncio.wait({conversing})
    except asyncio.CancelledError:
        await asyncio.wait({conversing}, timeout=CLOSE_S)
        conversing.cancel()
        await asyncio.wait({conversing})
        raise
    if (error := conversing.exception()) is not None:
        # The response has begun, so no error answer is possible: only the log has the error.
        log.error("link.defect", peer=link.peer, exc_info=error)
        await socket.close(code=CloseCode.DEFECT)
    return socket


async def accept(request: web.Request, reader: Reader[M]) -> tuple[web.WebSocketResponse, Link[M]]:
    """Accept the calling node's link; the caller runs it, and then returns the response."""
    socket = web.WebSocketResponse(
        timeout=CLOSE_S, compress=False, max_msg_size=FRAME_LIMIT + 1, decode_text=False
    )
    await socket.prepare(request)
    transport = request.transport
    cut = transport.abort if transport is not None else _nothing
    return socket, Link(socket, reader, cut=cut, peer=request.remote or "an unknown address")


def _nothing() -> None:
    """Do nothing: the connection is closed already."""


_MEANINGS = {401: ": the key is wrong", 404: ": no node of Slotgrid, or one without links"}
