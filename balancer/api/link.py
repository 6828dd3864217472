"""`GET /link`: where workers dial in."""

from aiohttp import web

from balancer.keys import LINKS
from slotgrid.core.errors import Unauthorized
from slotgrid.intake.openapi import Answer, Endpoint, Scope, endpoint


@endpoint(
    Endpoint(
        summary="The link of a worker that dials in (WebSocket)",
        description="Asks for `BALANCER_KEY`, or `AUTH_KEY` where that is not set. What is said "
        "on it stands in `docs/protocol.md`.",
        tag="node",
        scope=Scope.PUBLIC,
        answers={101: Answer("The WebSocket is open")},
        problems=(Unauthorized,),
    )
)
async def link(request: web.Request) -> web.StreamResponse:
    """`GET /link`: public for the middleware, as the key is another than those of callers."""
    links = request.app[LINKS]
    if not links.lets_in(request.headers.get("Authorization")):
        raise Unauthorized("the link asks for the key that balancer and workers share")
    return await links.accept(request)
