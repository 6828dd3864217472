"""`GET /link`: accepts the link from the other kind of node."""

from typing import Protocol

from aiohttp import web
from aiohttp_apispec import docs

from slotgrid.core.errors import InvalidSubmission, Unauthorized
from slotgrid.core.principal import Scope
from slotgrid.intake.auth import LINK_KEYS, key_text
from slotgrid.intake.openapi import Answer
from slotgrid.intake.server_connections import key_shown


class Acceptor(Protocol):
    """The node's end of its links."""

    async def accept(self, request: web.Request) -> web.StreamResponse:
        """Serve a link whose key has been checked; returns when it has ended."""


ACCEPTOR = web.AppKey[Acceptor]("acceptor")


@docs(
    summary="The link between balancer and worker (WebSocket)",
    description="Requires `BALANCER_KEY`, or `AUTH_KEY` if that is not set. "
    "`docs/protocol.md` describes the messages.",
    tags=["node"],
    scope=Scope.PUBLIC,
    responses={101: Answer("The WebSocket is open")},
    problems=(Unauthorized, InvalidSubmission),
)
async def link(request: web.Request) -> web.StreamResponse:
    """`GET /link`: public for the middleware, as the link has a key of its own."""
    text = key_text(request)
    if text is None or request.config_dict[LINK_KEYS].key(text) is None:
        raise Unauthorized("the link asks for the key that balancer and workers share")
    key_shown(request)
    return await request.config_dict[ACCEPTOR].accept(request)
