"""`/tasks` and below: the record of tasks, and what can be done with one."""

import asyncio
from collections.abc import Collection

import orjson
from aiohttp import web

from slotgrid.core.errors import (
    Conflict,
    Gone,
    InvalidSubmission,
    NotFound,
    TaskFinished,
    UnknownTask,
)
from slotgrid.core.events import Event, Reader
from slotgrid.core.task import Source, Task, log_line
from slotgrid.intake import documents as d
from slotgrid.intake.api.submit import OUTCOMES, run
from slotgrid.intake.auth import PRINCIPAL
from slotgrid.intake.body import bad_parameter, flag, paging, seconds
from slotgrid.intake.filters import LIVE, task_filter
from slotgrid.intake.modes import EVENT_STREAM, NDJSON, as_sse, open_stream, pump
from slotgrid.intake.node import NODE
from slotgrid.intake.openapi import Answer, Endpoint, Scope, endpoint, json_answer
from slotgrid.records.views import task_detail, task_summary

WAIT_MOST_S = 300.0
CANCEL_WAIT_S = 10.0
"""How long the answer to a cancel waits for the end: longer than any slot takes to be freed."""
RISKY_TYPES = ("text/html", "image/svg+xml", "application/xhtml+xml", "text/xml")


def task_of(request: web.Request) -> Task:
    """The task that the path names. Raises UnknownTask, also for what the key may not see."""
    task_id = request.match_info["id"]
    task = request.app[NODE].history.get(task_id)
    if task is None or not request[PRINCIPAL].may_see(task):
        raise UnknownTask(f"there is no task {task_id}", task_id=task_id)
    return task


def _json(value: object) -> web.Response:
    return web.Response(body=orjson.dumps(value), content_type="application/json")


@endpoint(
    Endpoint(
        summary="List tasks, newest first",
        tag="tasks",
        scope=Scope.READ,
        parameters=(*d.TASK_FILTERS, *d.PAGING),
        answers={200: json_answer("A page of tasks, and how many there are", d.TASK_LIST)},
        problems=(InvalidSubmission,),
    )
)
async def list_tasks(request: web.Request) -> web.Response:
    """`GET /tasks`: live and recent tasks of this node."""
    node = request.app[NODE]
    limit, offset = paging(request)
    wanted = task_filter(request, also={"limit", "offset"})
    tasks, total = node.history.select(wanted, limit=limit, offset=offset)
    rows = [task_summary(task, node.dispatcher) for task in tasks]
    return _json({"tasks": rows, "total": total})


@endpoint(
    Endpoint(
        summary="One task, with everything that is known of it",
        tag="tasks",
        scope=Scope.READ,
        parameters=(d.TASK_ID, d.WAIT_S),
        answers={200: json_answer("The task", d.TASK)},
        problems=(UnknownTask, InvalidSubmission),
    )
)
async def get_task(request: web.Request) -> web.Response:
    """`GET /tasks/{id}`; `?wait_s` answers when it has finished or the time is up."""
    task = task_of(request)
    wait_s = seconds(request, "wait_s", most=WAIT_MOST_S)
    if wait_s:
        await _finished_within(task, wait_s)
    return _json({"task": task_detail(task, request.app[NODE].dispatcher)})


async def _finished_within(task: Task, wait_s: float) -> None:
    waiting = asyncio.ensure_future(task.wait_finished())
    try:
        await asyncio.wait({waiting}, timeout=wait_s)
    finally:
        waiting.cancel()


@endpoint(
    Endpoint(
        summary="Cancel a queued or running task",
        tag="tasks",
        scope=Scope.SUBMIT,
        parameters=(d.TASK_ID,),
        answers={200: json_answer("It is cancelled", d.CANCELLED)},
        problems=(UnknownTask, TaskFinished),
    )
)
async def cancel_task(request: web.Request) -> web.Response:
    """`POST /tasks/{id}/cancel`: answers when the task has ended."""
    task = task_of(request)
    reason = f"{request[PRINCIPAL].name} cancelled it"
    if not request.app[NODE].supervisor.cancel(task, reason):
        raise TaskFinished(f"the task has already {task.state}", task_id=task.id)
    await _finished_within(task, CANCEL_WAIT_S)
    return _json({"success": True, "id": task.id, "status": task.state})


@endpoint(
    Endpoint(
        summary="Cancel every queued and running task that the filters name",
        tag="tasks",
        scope=Scope.SUBMIT,
        parameters=d.TASK_FILTERS,
        answers={200: json_answer("How many were cancelled", d.BULK_CANCELLED)},
        problems=(InvalidSubmission,),
    )
)
async def cancel_tasks(request: web.Request) -> web.Response:
    """`POST /tasks/cancel`: the filters of `GET /tasks`; without any, all of one's own."""
    node = request.app[NODE]
    wanted = task_filter(request, status=LIVE)
    reason = f"{request[PRINCIPAL].name} cancelled it"
    cancelled = [
        task
        for task in node.supervisor.live
        if wanted.accepts(task) and node.supervisor.cancel(task, reason)
    ]
    if cancelled:
        waits = [asyncio.ensure_future(task.wait_finished()) for task in cancelled]
        await asyncio.wait(waits, timeout=CANCEL_WAIT_S)
    ids = [task.id for task in cancelled]
    return _json({"success": True, "cancelled": len(ids), "ids": ids})


@endpoint(
    Endpoint(
        summary="Run the same input again, as a new task",
        tag="tasks",
        scope=Scope.SUBMIT,
        parameters=(d.TASK_ID,),
        answers=d.TASK_ANSWERS,
        problems=(*OUTCOMES, UnknownTask, Conflict),
    )
)
async def retry_task(request: web.Request) -> web.StreamResponse:
    """`POST /tasks/{id}/retry`: answers as `POST /task` does, in the mode of the first one."""
    first = task_of(request)
    if not first.state.terminal:
        raise Conflict(f"the task is {first.state}; only a finished one can run again")
    return await run(request, first.submission, Source("retry", first.id))


@endpoint(
    Endpoint(
        summary="What a task said so far, then what it says",
        tag="tasks",
        scope=Scope.READ,
        parameters=(d.TASK_ID, d.LAST_EVENT_ID, d.LAST_EVENT_ID_QUERY),
        answers={200: Answer("Server-sent events", {EVENT_STREAM: d.EVENTS})},
        problems=(UnknownTask, InvalidSubmission),
    )
)
async def task_events(request: web.Request) -> web.StreamResponse:
    """`GET /tasks/{id}/events`; `Last-Event-ID` resumes behind that event."""
    task = task_of(request)
    after = _last_event_id(request)
    response = await open_stream(request, EVENT_STREAM)
    if missing := task.events.missing_after(after):
        # Without an id, so that a reader who reconnects asks again from where it was.
        note = orjson.dumps(
            {"text": f"{missing} earlier events are no longer kept", "data": missing}
        )
        await response.write(b"event: missed\ndata: %s\n\n" % note)
    async with Reader(task.events, after=after) as reader:
        await pump(reader, response, as_sse, ping=True)
    return response


def _last_event_id(request: web.Request) -> int:
    text = request.headers.get("Last-Event-ID") or request.query.get("last_event_id") or "0"
    if not text.isdecimal():
        raise bad_parameter("last_event_id", f"expected the number of an event, got {text!r}")
    return int(text)


@endpoint(
    Endpoint(
        summary="The lines that a task wrote",
        tag="tasks",
        scope=Scope.READ,
        parameters=(d.TASK_ID, d.FOLLOW),
        answers={200: Answer("A line of JSON for each", {NDJSON: d.LOG_LINES})},
        problems=(UnknownTask, InvalidSubmission),
    )
)
async def task_logs(request: web.Request) -> web.StreamResponse:
    """`GET /tasks/{id}/logs`; step `_node` holds what the node did with the task."""
    return await _logs(request, task_of(request), step=None)


@endpoint(
    Endpoint(
        summary="The lines that one step of a task wrote",
        tag="tasks",
        scope=Scope.READ,
        parameters=(d.TASK_ID, d.STEP_NAME, d.FOLLOW),
        answers={200: Answer("A line of JSON for each", {NDJSON: d.LOG_LINES})},
        problems=(UnknownTask, NotFound, InvalidSubmission),
    )
)
async def step_logs(request: web.Request) -> web.StreamResponse:
    """`GET /tasks/{id}/steps/{step}/logs`."""
    task, step = task_of(request), request.match_info["step"]
    if step not in task.step_names():
        raise NotFound(f"the task has no step {step!r}; it has {', '.join(task.step_names())}")
    return await _logs(request, task, step=step)


async def _logs(request: web.Request, task: Task, *, step: str | None) -> web.StreamResponse:
    def form(line: Event) -> bytes:
        return log_line(line) + b"\n" if step in {None, line.kind} else b""

    if not flag(request, "follow"):
        return web.Response(
            body=b"".join(form(line) for line in task.logs.after(0)), content_type=NDJSON
        )
    response = await open_stream(request, NDJSON)
    async with Reader(task.logs) as reader:
        await pump(reader, response, form, ping=False)
    return response


@endpoint(
    Endpoint(
        summary="The files that a task saved",
        tag="tasks",
        scope=Scope.READ,
        parameters=(d.TASK_ID,),
        answers={200: json_answer("The files", d.ARTIFACT_LIST)},
        problems=(UnknownTask,),
    )
)
async def list_artifacts(request: web.Request) -> web.Response:
    """`GET /tasks/{id}/artifacts`."""
    files: Collection[object] = task_of(request).artifacts.values()
    return _json({"artifacts": list(files), "total": len(files)})


@endpoint(
    Endpoint(
        summary="One file that a task saved",
        tag="tasks",
        scope=Scope.READ,
        parameters=(d.TASK_ID, d.ARTIFACT_NAME),
        answers={
            200: Answer("The file", {"*/*": {"type": "string", "format": "binary"}}),
            **d.FILE_ANSWERS,
        },
        problems=(UnknownTask, NotFound, Gone),
    )
)
async def get_artifact(request: web.Request) -> web.StreamResponse:
    """`GET /tasks/{id}/artifacts/{name}`. What could run as a page of ours is only downloaded."""
    task, name = task_of(request), request.match_info["name"]
    if name not in task.artifacts:
        raise NotFound(f"the task saved no file {name!r}")
    path = request.app[NODE].artifacts.path(task, name)
    if not await asyncio.to_thread(path.is_file):
        raise Gone(f"the file {name!r} was removed")
    kind = task.artifacts[name].content_type
    disposition = "attachment" if kind in RISKY_TYPES else "inline"
    return web.FileResponse(
        path,
        headers={
            "Content-Type": kind,
            "Content-Disposition": f'{disposition}; filename="{name}"',
            "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'",
            "X-Content-Type-Options": "nosniff",
        },
    )
