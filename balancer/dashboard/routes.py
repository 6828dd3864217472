"""Adds the dashboard to an application."""

from pathlib import Path

from aiohttp import web
from aiohttp_apispec import docs

from balancer.dashboard import login, views
from balancer.dashboard.access import (
    GUESSES,
    HEADERS,
    LIVE,
    RENDERING,
    SESSIONS,
    TREND,
)
from balancer.dashboard.live import Live
from balancer.dashboard.login_sessions import Guesses, Sessions
from balancer.dashboard.rendering import Rendering
from balancer.dashboard.switches import switches
from balancer.dashboard.trend import Trend
from slotgrid.core.errors import NotFound
from slotgrid.core.principal import Scope
from slotgrid.intake import openapi_parts as node_documents
from slotgrid.intake.api.docs import leading_to
from slotgrid.intake.cached_file import cached_file
from slotgrid.intake.openapi import Answer, Parameter

STATIC = Path(__file__).parent / "static"
# An allowlist: no other file is served.
FILES = {
    "dashboard.css": STATIC / "dashboard.css",
    "dashboard.js": STATIC / "dashboard.js",
    "charts.js": STATIC / "charts.js",
    "icon.svg": STATIC / "icon.svg",
    "uPlot.iife.min.js": STATIC / "uplot" / "uPlot.iife.min.js",
    "uPlot.min.css": STATIC / "uplot" / "uPlot.min.css",
}


def add_dashboard(app: web.Application, live: Live, trend: Trend, *, root_path: str) -> None:
    """Add its pages; `/` redirects to them. `root_path` is the prefix that a proxy strips."""
    app[RENDERING] = rendering = Rendering(root_path)
    app[SESSIONS] = Sessions()
    app[GUESSES] = Guesses()
    app[LIVE] = live
    app[TREND] = trend
    app.add_routes(
        [
            web.get("/", leading_to(rendering.base)),
            web.get("/dashboard", views.overview),
            web.get("/dashboard/changes", views.changes),
            web.get("/dashboard/login", login.login_page),
            web.post("/dashboard/login", login.login),
            web.post("/dashboard/logout", login.logout),
            web.get("/dashboard/static/{name}", dashboard_file),
            web.get("/dashboard/workers/{name}", views.worker),
            web.get("/dashboard/workers/{name}/log", views.worker_log),
            *switches(),
        ]
    )

    async def end_streams(_: web.Application) -> None:
        live.end()

    app.on_shutdown.append(end_streams)


@docs(
    summary="A file of the dashboard",
    tags=["dashboard"],
    scope=Scope.PUBLIC,
    parameters=(Parameter("name", "The file", {"type": "string", "enum": [*FILES]}, "path"),),
    responses={
        200: Answer("The file", {"*/*": {"type": "string", "format": "binary"}}),
        304: node_documents.NOT_CHANGED,
    },
    problems=(NotFound,),
)
async def dashboard_file(request: web.Request) -> web.Response:
    """`GET /dashboard/static/{name}`."""
    name = request.match_info["name"]
    if name not in FILES:
        raise NotFound(f"the dashboard has no file {name!r}")
    return cached_file(FILES[name], request, HEADERS | {"Cache-Control": "no-cache"})
