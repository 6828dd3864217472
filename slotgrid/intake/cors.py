"""Lets web pages of other origins call the node, streams included."""

from collections.abc import Collection

import aiohttp_cors
from aiohttp import web

EXPOSED_HEADERS = ("Retry-After", "Location", "Content-Location")
PREFLIGHT_MAX_AGE_S = 600


def add_cors(app: web.Application, origins: Collection[str]) -> None:
    """Open every route to pages of these origins (`*`: any); call it after the last route is added.

    Browser credentials such as cookies are not allowed, since the key is in a header.
    """
    options = aiohttp_cors.ResourceOptions(  # type: ignore[no-untyped-call]
        allow_credentials=False,
        expose_headers=EXPOSED_HEADERS,
        allow_headers="*",
        allow_methods="*",
        max_age=PREFLIGHT_MAX_AGE_S,
    )
    cors = aiohttp_cors.setup(app, defaults=dict.fromkeys(origins, options))
    for resource in list(app.router.resources()):
        if isinstance(resource, web.Resource):
            cors.add(resource)
    app.on_response_prepare.append(_vary)


async def _vary(_: web.Request, response: web.StreamResponse) -> None:
    """Add `Vary: Origin`, which the library omits: the answer depends on the caller's origin."""
    response.headers.add("Vary", "Origin")
