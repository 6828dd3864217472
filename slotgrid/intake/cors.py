"""Lets web pages of other origins call the node, streams included."""

from collections.abc import Collection

import aiohttp_cors
from aiohttp import web

EXPOSED_HEADERS = ("Retry-After", "Location", "Content-Location")
PREFLIGHT_MAX_AGE_S = 600


def add_cors(app: web.Application, origins: Collection[str]) -> None:
    """Open every route to pages of these origins (`*`: of any); call it after the last route.

    No credentials of the browser's own are let in, since a key travels in a header.
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
    """Tell caches that an answer names the origin that asked, which the library does not."""
    response.headers.add("Vary", "Origin")
