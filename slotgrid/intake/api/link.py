"""`GET /link`: where the other kind of node dials in."""

from typing import Protocol

from aiohttp import web

from slotgrid.core.errors import InvalidSubmission, Unauthorized
from slotgrid.core.principal import Scope
from slotgrid.intake.connections import key_shown
from slotgrid.intake.openapi import Answer, Endpoint, endpoint


class Acceptor(Protocol):
    """The node's end of its links."""

    def lets_in(self, authorization: str | None) -> bool:
        """Whether the header `Authorization` shows the key of the link."""

    async def accept(self, request: web.Request) -> web.StreamResponse:
        """Speak with whoever dials; returns when the link has ended."""


ACCEPTOR = web.AppKey[Acceptor]("acceptor")


@endpoint(
    Endpoint(
        summary="The link between balancer and worker (WebSocket)",
        description="Asks for `BALANCER_KEY`, or `AUTH_KEY` where that is not set. What is said "
        "on it stands in `docs/protocol.md`.",
        tag="node",
        scope=Scope.PUBLIC,
        answers={101: Answer("The WebSocket is open")},
        problems=(Unauthorized, InvalidSubmission),
    )
)
async def link(request: web.Request) -> web.StreamResponse:
    """`GET /link`: public for the middleware, as the key is another than those of callers."""
    acceptor = request.config_dict[ACCEPTOR]
    if not acceptor.lets_in(request.headers.get("Authorization")):
        raise Unauthorized("the link asks for the key that balancer and workers share")
    key_shown(request)
    return await acceptor.accept(request)
