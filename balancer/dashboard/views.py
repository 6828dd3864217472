"""The pages of the dashboard, and the stream that updates them."""

import asyncio

import orjson
from aiohttp import web
from aiohttp_apispec import docs

from balancer.api import workers as workers_api
from balancer.api.openapi_parts import WORKER_NAME
from balancer.api.workers import LAST_TASKS
from balancer.app_keys import FLEET
from balancer.dashboard import openapi_parts as d
from balancer.dashboard.access import (
    LIVE,
    RENDERING,
    SESSION,
    TREND,
    html,
    logged_in,
    look_of,
    session_of,
)
from balancer.dashboard.live import Live
from balancer.dashboard.login_sessions import LoginSession
from slotgrid.core.errors import DatabaseUnavailable, NotFound, Unauthorized
from slotgrid.core.principal import Scope
from slotgrid.intake.auth import PRINCIPAL
from slotgrid.intake.framing import EVENT_STREAM
from slotgrid.intake.node_parts import NODE
from slotgrid.intake.openapi import Parameter
from slotgrid.intake.schemas.basics import TEXT
from slotgrid.intake.stream_response import open_stream
from slotgrid.records.history import TaskFilter
from slotgrid.runtime.setting_choices import LogLevel


@docs(
    summary="The fleet at a glance",
    tags=["dashboard"],
    scope=Scope.PUBLIC,
    responses={200: d.PAGE, 303: d.SEE_OTHER, 403: d.PAGE},
)
@logged_in(Scope.READ)
async def overview(request: web.Request) -> web.Response:
    """`GET /dashboard`."""
    board = request.config_dict[LIVE].board(look_of(request))
    return html(
        request.config_dict[RENDERING].live_page("overview.html", board, **_session(request))
    )


@docs(
    summary="One worker: its state, functions and tasks, and its switches",
    tags=["dashboard"],
    scope=Scope.PUBLIC,
    parameters=(WORKER_NAME,),
    responses={200: d.PAGE, 303: d.SEE_OTHER, 403: d.PAGE, 404: d.PAGE},
)
@logged_in(Scope.READ)
async def worker(request: web.Request) -> web.Response:
    """`GET /dashboard/workers/{name}`."""
    name = _known_worker(request)
    look = look_of(request, name)
    try:
        tasks, _ = await request.config_dict[NODE].tasks.list(
            request[PRINCIPAL], TaskFilter(worker=name), limit=LAST_TASKS, offset=0
        )
    except DatabaseUnavailable:
        tasks = None
    board = request.config_dict[LIVE].board(look)
    page = request.config_dict[RENDERING].live_page(
        "worker.html", board, name=name, tasks=tasks, **_session(request)
    )
    return html(page)


@docs(
    summary="The last log lines of a worker",
    tags=["dashboard"],
    scope=Scope.PUBLIC,
    parameters=(
        WORKER_NAME,
        Parameter("level", "The lowest level", {"type": "string", "enum": [*LogLevel]}),
    ),
    responses=dict.fromkeys((200, 400, 403, 404, 503), d.PAGE) | {303: d.SEE_OTHER},
)
@logged_in(Scope.OPERATE)
async def worker_log(request: web.Request) -> web.Response:
    """`GET /dashboard/workers/{name}/log`."""
    answer = await workers_api.worker_logs(request)
    assert isinstance(answer.body, bytes)
    page = request.config_dict[RENDERING].page(
        "worker_log.html",
        name=_known_worker(request),
        lines=orjson.loads(answer.body)["logs"],
        level=request.query.get("level", LogLevel.DEBUG),
        levels=tuple(LogLevel),
        **_session(request),
    )
    return html(page)


@docs(
    summary="Stream the changes of a page of the dashboard",
    tags=["dashboard"],
    scope=Scope.PUBLIC,
    parameters=(
        Parameter("seen", "The version that the page shows", TEXT),
        Parameter("worker", "The worker that the page shows", TEXT),
    ),
    responses={200: d.CHANGES},
    problems=(Unauthorized,),
)
async def changes(request: web.Request) -> web.StreamResponse:
    """`GET /dashboard/changes`; ends with the session."""
    session = session_of(request)
    if session is None or not session.principal.may(Scope.READ):
        raise Unauthorized("the session has ended: log in again")
    request[SESSION] = session
    live, rendering, trend = (
        request.config_dict[LIVE],
        request.config_dict[RENDERING],
        request.config_dict[TREND],
    )
    seen = request.headers.get("Last-Event-ID") or request.query.get("seen", "")
    points = list(trend.points)
    response = await open_stream(request, EVENT_STREAM)
    with live.watching(look_of(request, request.query.get("worker"))) as board:
        while not live.ended and session_of(request) is session:
            body = rendering.message(board, board.since(seen), points)
            seen = board.version
            await response.write(b"id: %s\ndata: %s\n\n" % (seen.encode(), body))
            await _news_or_end(live, session)
            points = list(trend.points)[-1:]
    await response.write_eof()
    return response


async def _news_or_end(live: Live, session: LoginSession) -> None:
    """Wait for news, or for the end of the session's key."""
    waits = {
        asyncio.ensure_future(live.news()),
        asyncio.ensure_future(session.key.ended.wait()),
    }
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in waits:
            one.cancel()


def _session(request: web.Request) -> dict[str, object]:
    """The facts of the session for every page."""
    session, principal = request[SESSION], request[PRINCIPAL]
    return {
        "user": principal.name,
        "operates": principal.may(Scope.OPERATE),
        "token": session.token,
    }


def _known_worker(request: web.Request) -> str:
    name = request.match_info["name"]
    if request.config_dict[FLEET].roster.worker(name) is None:
        raise NotFound(f"there is no worker {name!r}")
    return name
