"""The site put together: every page by theme, an index of them, and what all of them share.

Pages that need nothing from the server are files in `pages/`. Any page takes `?delay_s=` and
answers that much later. A tab is crashed by navigating it to `chrome://crash`, which no page can do
to itself; what a page can do is fill its memory (`/pages/memory.html`).
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler

from tests.site import (
    attachments,
    catalogue,
    crawling,
    form_cases,
    forms,
    journeys,
    lists,
    moving,
    pictures,
    reading,
    sessions,
    transfers,
    visitors,
)
from tests.site.markup import CLOSING, HIT, SENT, answer, closed_within

PAGES_DIR = Path(__file__).parent / "pages"
HITS = web.AppKey("hits", Counter[str])
"""How often each path was asked for."""

HAZARDS = (
    "/status/404",
    "/status/500",
    "/slow/hang",
    "/slow/stalled-body",
    "/slow/hanging-image",
    "/redirect/loop",
    "/downloads/endless.bin",
    "/pages/busy-at-load.html",
    "/pages/endless-alerts.html",
    "/nowhere",
)
"""What `/hazards` links to: all that a crawl has to survive, around one good page."""
MAX_DELAY_S = 60


@web.middleware
async def count_hits(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Count requests by path."""
    request.app[HITS][request.path] += 1
    request[HIT] = request.app[HITS][request.path]
    return await handler(request)


@web.middleware
async def delay(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer `?delay_s=` later, whatever the page."""
    if "delay_s" in request.query:
        await closed_within(request, min(float(request.query["delay_s"]), MAX_DELAY_S))
    return await handler(request)


async def index(request: web.Request) -> web.Response:
    """Link to every page that has an address of its own."""
    routes = {
        resource.canonical
        for resource in request.app.router.resources()
        if "{" not in resource.canonical and resource.canonical not in {"/", "/pages"}
    }
    files = {f"/pages/{file.name}" for file in PAGES_DIR.glob("*.html")}
    items = "".join(f'<li><a href="{path}">{path}</a></li>' for path in sorted(routes | files))
    return answer("The tests' site", f"<h1>The tests' site</h1><ul>{items}</ul>")


async def hazards(_request: web.Request) -> web.Response:
    """Link to every hazard, and to one page that is fine."""
    links = "".join(f'<li><a href="{path}">{path}</a></li>' for path in (*HAZARDS, "/arrived"))
    return answer("Hazards", f"<ul>{links}</ul>")


async def closing(app: web.Application) -> AsyncIterator[None]:
    """Give the site its end."""
    app[CLOSING] = asyncio.Event()
    yield


async def close(app: web.Application) -> None:
    """End every answer that hangs."""
    app[CLOSING].set()


def make_site() -> web.Application:
    """Return the site; it keeps nothing but the count of requests."""
    app = web.Application(middlewares=[count_hits, delay])
    app[HITS] = Counter()
    app[SENT] = Counter()
    app[visitors.ARRIVALS] = []
    app.cleanup_ctx.append(closing)
    app.on_shutdown.append(close)
    app.add_routes([web.get("/", index), web.get("/hazards", hazards)])
    for theme in (
        attachments,
        catalogue,
        crawling,
        form_cases,
        forms,
        journeys,
        lists,
        moving,
        pictures,
        reading,
        sessions,
        transfers,
        visitors,
    ):
        app.add_routes(theme.ROUTES)
    app.router.add_static("/pages", PAGES_DIR)
    return app
