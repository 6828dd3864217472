"""What a task says: its events and its log, so far and as they come."""

import asyncio
from contextlib import suppress

import orjson
from aiohttp import web

from slotgrid.core.errors import DatabaseUnavailable, InvalidSubmission, NotFound, UnknownTask
from slotgrid.core.events import Event, Reader
from slotgrid.core.principal import Scope
from slotgrid.core.task import Task, log_line
from slotgrid.intake import documents as d
from slotgrid.intake.finding import find_task
from slotgrid.intake.modes import (
    EVENT_STREAM,
    NDJSON,
    PING_S,
    Format,
    as_sse,
    open_stream,
    pump,
)
from slotgrid.intake.node import NODE
from slotgrid.intake.openapi import Answer, Endpoint, endpoint
from slotgrid.intake.query import bad_parameter, flag, parameter_fault
from slotgrid.records.ledger import Record

LOOK_AGAIN_S = 0.5
"""How often a follower of a task that waits on disk looks whether it was taken up."""
LOOKS_A_PING = int(PING_S / LOOK_AGAIN_S)


@endpoint(
    Endpoint(
        summary="What a task said so far, then what it says",
        tag="tasks",
        scope=Scope.READ,
        parameters=(d.TASK_ID, d.LAST_EVENT_ID, d.LAST_EVENT_ID_QUERY),
        answers={200: Answer("Server-sent events", {EVENT_STREAM: d.EVENTS})},
        problems=(UnknownTask, DatabaseUnavailable, InvalidSubmission),
    )
)
async def task_events(request: web.Request) -> web.StreamResponse:
    """`GET /tasks/{id}/events`; `Last-Event-ID` resumes behind that event."""
    found = await find_task(request)
    after = _last_event_id(request)
    response = await open_stream(request, EVENT_STREAM)
    if isinstance(found, Task):
        task: Task | None = found
        if after < found.events.begins_after:
            upto = found.events.begins_after
            await _recorded_events(
                request, found.id, response, after, upto=upto, cut_off=found.lost_starts > 0
            )
    else:
        after = await _recorded_events(request, found.id, response, after)
        task = await _come_to_life(request, found, response)
        if task is None:  # it has ended without, maybe since it was looked at
            await _recorded_events(request, found.id, response, after)
    if task is None:
        await response.write_eof()
        return response
    after = max(after, task.events.begins_after)
    async with Reader(task.events, after=after) as reader:
        await pump(task, reader, request, response, _telling_gaps(after), ping=True)
    return response


def _telling_gaps(after: int) -> Format:
    """Server-sent events that say how many before them are no longer kept.

    Nobody waits for these readers, so the events may outrun one of them at any time.
    """
    position = after

    def form(event: Event) -> bytes:
        nonlocal position
        missing, position = event.id - position - 1, event.id
        if not missing:
            return as_sse(event)
        return _missed(f"{missing} earlier events are no longer kept", missing) + as_sse(event)

    return form


def _missed(text: str, missing: int | None) -> bytes:
    """Without an id of its own: who reconnects asks from behind the last event it has."""
    return b"event: missed\ndata: %s\n\n" % orjson.dumps({"text": text, "data": missing})


async def _recorded_events(
    request: web.Request,
    task_id: str,
    response: web.StreamResponse,
    after: int,
    *,
    upto: int | None = None,
    cut_off: bool = False,
) -> int:
    """Send what the database keeps of a task; returns the number of the last event sent.

    Its numbers show what is missing, but not what a run said last that was `cut_off`.
    """
    events = await request.config_dict[NODE].ledger.events(task_id, after, upto=upto)
    if cut_off or (events and events[-1].id - after > len(events)):
        await response.write(_missed("what it said in an earlier process may be missing", None))
    for event in events:
        await response.write(as_sse(event))
        after = event.id
    return after


async def _come_to_life(
    request: web.Request, record: Record, response: web.StreamResponse
) -> Task | None:
    """The task once it is taken up from disk; None when it has ended."""
    found: Task | Record | None = record
    looked = 0
    while isinstance(found, Record) and not found.state.terminal:
        await asyncio.sleep(LOOK_AGAIN_S)
        looked += 1
        if looked % LOOKS_A_PING == 0:
            await response.write(b": ping\n\n")
        with suppress(DatabaseUnavailable):  # it comes back, and this reader has time
            found = await request.config_dict[NODE].ledger.find(record.id)
    return found if isinstance(found, Task) else None


def _last_event_id(request: web.Request) -> int:
    """The number of the event behind which to go on. Raises InvalidSubmission."""
    text = request.headers.get("Last-Event-ID") or request.query.get("last_event_id") or "0"
    if (fault := parameter_fault(d.LAST_EVENT_ID.schema, text)) is not None:
        raise bad_parameter("last_event_id", fault)
    return int(text)


@endpoint(
    Endpoint(
        summary="The lines that a task wrote",
        tag="tasks",
        scope=Scope.READ,
        parameters=(d.TASK_ID, d.FOLLOW),
        answers={200: Answer("A line of JSON for each", {NDJSON: d.LOG_LINES})},
        problems=(UnknownTask, DatabaseUnavailable, InvalidSubmission),
    )
)
async def task_logs(request: web.Request) -> web.StreamResponse:
    """`GET /tasks/{id}/logs`; step `_node` holds what the node did with the task."""
    return await _logs(request, await find_task(request), step=None)


@endpoint(
    Endpoint(
        summary="The lines that one step of a task wrote",
        tag="tasks",
        scope=Scope.READ,
        parameters=(d.TASK_ID, d.STEP_NAME, d.FOLLOW),
        answers={200: Answer("A line of JSON for each", {NDJSON: d.LOG_LINES})},
        problems=(UnknownTask, DatabaseUnavailable, NotFound, InvalidSubmission),
    )
)
async def step_logs(request: web.Request) -> web.StreamResponse:
    """`GET /tasks/{id}/steps/{step}/logs`."""
    task, step = await find_task(request), request.match_info["step"]
    names = task.step_names()
    if step not in names:
        raise NotFound(f"the task has no step {step!r}; it has {', '.join(names)}")
    return await _logs(request, task, step=step)


async def _logs(
    request: web.Request, task: Task | Record, *, step: str | None
) -> web.StreamResponse:
    def form(line: Event) -> bytes:
        return log_line(line) + b"\n" if step in {None, line.kind} else b""

    follow = flag(request, "follow")
    ledger = request.config_dict[NODE].ledger
    if isinstance(task, Record):  # of another process
        kept = await ledger.lines(task.id) or task.own_lines()
        return web.Response(body=b"".join(map(form, kept)), content_type=NDJSON)
    first = task.logs.begins_after
    kept = await ledger.lines(task.id, upto=first) if first else []
    if not follow:
        lines = [*kept, *task.logs.after(first)]
        return web.Response(body=b"".join(map(form, lines)), content_type=NDJSON)
    response = await open_stream(request, NDJSON)
    for line in kept:
        await response.write(form(line))
    async with Reader(task.logs, after=first) as reader:
        await pump(task, reader, request, response, form, ping=False)
    return response
