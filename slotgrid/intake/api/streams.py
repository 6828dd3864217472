"""The events and the log of a task: the past ones, and live ones as they occur."""

from aiohttp import web
from aiohttp_apispec import docs

from slotgrid.core.errors import DatabaseUnavailable, InvalidSubmission, NotFound, UnknownTask
from slotgrid.core.principal import Scope
from slotgrid.intake import openapi_parts as d
from slotgrid.intake import stream_response
from slotgrid.intake.auth import PRINCIPAL
from slotgrid.intake.framing import EVENT_STREAM, NDJSON, as_log_line, as_sse_or_gap
from slotgrid.intake.node_parts import NODE
from slotgrid.intake.openapi import Answer
from slotgrid.intake.query import bad_parameter, flag, parameter_fault


@docs(
    summary="The events of a task so far, then live",
    tags=["tasks"],
    scope=Scope.READ,
    parameters=(d.TASK_ID, d.LAST_EVENT_ID, d.LAST_EVENT_ID_QUERY),
    responses={200: Answer("Server-sent events", {EVENT_STREAM: d.EVENTS})},
    problems=(UnknownTask, DatabaseUnavailable, InvalidSubmission),
)
async def task_events(request: web.Request) -> web.StreamResponse:
    """`GET /tasks/{id}/events`; `Last-Event-ID` resumes after that event."""
    events = await request.config_dict[NODE].tasks.follow(
        request[PRINCIPAL], request.match_info["id"], after=last_event_id(request)
    )
    response = await stream_response.open_stream(request, EVENT_STREAM)
    await stream_response.send(request, response, events, as_sse_or_gap, ended=events.wait_ended)
    return response


def last_event_id(request: web.Request) -> int:
    """The id of the event after which to resume. Raises InvalidSubmission."""
    text = request.headers.get("Last-Event-ID") or request.query.get("last_event_id") or "0"
    if (fault := parameter_fault(d.LAST_EVENT_ID.schema, text)) is not None:
        raise bad_parameter("last_event_id", fault)
    return int(text)


@docs(
    summary="The log lines of a task",
    tags=["tasks"],
    scope=Scope.READ,
    parameters=(d.TASK_ID, d.FOLLOW),
    responses={200: Answer("One JSON object per line", {NDJSON: d.LOG_LINES})},
    problems=(UnknownTask, DatabaseUnavailable, InvalidSubmission),
)
async def task_logs(request: web.Request) -> web.StreamResponse:
    """`GET /tasks/{id}/logs`; the step `_node` holds the node's own lines about the task."""
    return await _logs(request, step=None)


@docs(
    summary="The log lines of one step of a task",
    tags=["tasks"],
    scope=Scope.READ,
    parameters=(d.TASK_ID, d.STEP_NAME, d.FOLLOW),
    responses={200: Answer("One JSON object per line", {NDJSON: d.LOG_LINES})},
    problems=(UnknownTask, DatabaseUnavailable, NotFound, InvalidSubmission),
)
async def step_logs(request: web.Request) -> web.StreamResponse:
    """`GET /tasks/{id}/steps/{step}/logs`."""
    return await _logs(request, step=request.match_info["step"])


async def _logs(request: web.Request, *, step: str | None) -> web.StreamResponse:
    follow = flag(request, "follow")
    lines = await request.config_dict[NODE].tasks.logs(
        request[PRINCIPAL], request.match_info["id"], step=step, follow=follow
    )
    if not follow:
        body = b"".join([as_log_line(line) async for line in lines])
        return web.Response(body=body, content_type=NDJSON)
    response = await stream_response.open_stream(request, NDJSON)
    await stream_response.send(request, response, lines, as_log_line, ended=lines.wait_ended)
    return response
