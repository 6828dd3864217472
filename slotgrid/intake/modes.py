"""How an answer travels: one function for each mode."""

import asyncio
from collections.abc import Callable, Mapping

import orjson
from aiohttp import web

from slotgrid.core.errors import Gone
from slotgrid.core.events import Event, Reader, encode_json
from slotgrid.core.fields import Mode
from slotgrid.core.task import Task
from slotgrid.intake.accept import preferred
from slotgrid.intake.accepted import accept
from slotgrid.intake.finding import json_response
from slotgrid.intake.idempotency import hash_of, idempotency_key
from slotgrid.intake.node import Node
from slotgrid.intake.problems import BEGUN, problem_response

PING_S = 15.0
LAST_WORDS_S = 60.0
"""How long a reader has, once its task has ended, for what it has not read yet (4 MiB at most)."""
CALLER_LEFT = "the caller left"
STREAM_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}

EVENT_STREAM = "text/event-stream"
NDJSON = "application/x-ndjson"
PLAIN = "text/plain"

SYNC = Mode.SYNC

Format = Callable[[Event], bytes]


async def answer(node: Node, task: Task, request: web.Request) -> web.StreamResponse:
    """Run the task and answer in its mode; a caller that leaves takes its task along.

    A durable one goes on: it is accepted as soon as it is recorded. Of callers who show the same
    `Idempotency-Key` the first starts the task, and the last to leave takes it along.
    """
    key = idempotency_key(request)
    submission = task.submission
    if submission.mode.durable:
        (accepted,) = await accept(node, [task], [key], [hash_of(submission.body)])
        location = {"Location": f"/tasks/{accepted['id']}"}
        return json_response({"success": True, **accepted}, status=202, headers=location)
    body_hash = "" if key is None else hash_of(submission.body)
    if key is None and submission.mode is SYNC:
        await node.supervisor.run(task, left=CALLER_LEFT)
        return _sync(task)
    answering, standing = node.keyed.claim(task, key, body_hash)
    if answering is task:
        node.supervisor.start(task)
    standing.callers += 1
    try:
        if submission.mode is Mode.STREAM:
            return await _stream(answering, request, replayed=answering is not task)
        await answering.wait_finished()
        return _sync(answering)
    except (asyncio.CancelledError, ConnectionError):
        if standing.callers == 1:
            node.supervisor.cancel(answering, CALLER_LEFT)
        raise
    finally:
        standing.callers -= 1


def _sync(task: Task) -> web.Response:
    """The answer of a task that has ended."""
    if task.error is not None:
        return problem_response(task.error)
    return web.Response(body=encode_json(task.answer()), content_type="application/json")


async def _stream(task: Task, request: web.Request, *, replayed: bool) -> web.StreamResponse:
    """Everything the task says, as it says it, and then its one terminal event.

    Until the task has said something, a refusal (no slot in time, a full queue) can still be
    an answer with its own status; but no caller waits longer than a ping for the headers.
    The task waits for its first caller only: `replayed`, its events may outrun this one.
    """
    content_type, form = _format(request)
    if replayed:
        form = _without_gaps(form, request)
        if task.events.missing_after(0):
            raise Gone("the stream's beginning is no longer kept", task_id=task.id)
    async with Reader(task.events, pacing=not replayed) as reader:
        try:
            first = await _next(reader)
        except TimeoutError:
            first = None
        else:
            if first is not None and first.kind == "error" and task.error is not None:
                return problem_response(task.error)
        headers = {"Content-Location": f"/tasks/{task.id}"}
        response = await open_stream(request, content_type, headers)
        if first is not None:
            await response.write(form(first))
        await pump(task, reader, request, response, form, ping=content_type == EVENT_STREAM)
    return response


def _without_gaps(form: Format, request: web.Request) -> Format:
    """The same form; a stream that would lack an event is cut, as no format can say so in band."""
    position = 0

    def whole(event: Event) -> bytes:
        nonlocal position
        if event.id != position + 1:
            if request.transport is not None:
                request.transport.abort()
            raise ConnectionError("the events have outrun their reader")
        position = event.id
        return form(event)

    return whole


async def open_stream(
    request: web.Request, content_type: str, headers: dict[str, str] | None = None
) -> web.StreamResponse:
    """Begin an answer that comes in pieces."""
    response = web.StreamResponse(headers=STREAM_HEADERS | (headers or {}))
    response.content_type = content_type
    if content_type == PLAIN:
        response.charset = "utf-8"
    request[BEGUN] = True
    await response.prepare(request)
    return response


async def pump(
    task: Task,
    reader: Reader,
    request: web.Request,
    response: web.StreamResponse,
    form: Format,
    *,
    ping: bool,
) -> None:
    """Write what the reader brings until nothing more comes, with a sign of life between.

    A caller may hold up its own task by not reading, but not this node for longer than that.
    Raises ConnectionError when the caller is gone.
    """
    cutting_off = asyncio.create_task(_cut_off(task, request), name=f"cut off {task.id}")
    try:
        while True:
            try:
                event = await _next(reader)
            except TimeoutError:
                if ping:
                    await response.write(b": ping\n\n")
                continue
            if event is None:
                break
            await response.write(form(event))
        await response.write_eof()
    finally:
        cutting_off.cancel()


async def _next(reader: Reader) -> Event | None:
    """The reader's next event. Raises TimeoutError after the time of a ping; no event is lost."""
    async with asyncio.timeout(PING_S):
        return await reader.next()


async def _cut_off(task: Task, request: web.Request) -> None:
    """Cut the connection of a caller who has not taken everything well after the task's end."""
    await task.wait_finished()
    await asyncio.sleep(LAST_WORDS_S)
    if request.transport is not None:
        request.transport.abort()


def _format(request: web.Request) -> tuple[str, Format]:
    """The form that `Accept` asks for; server-sent events unless it says otherwise."""
    content_type = preferred(request.headers.get("Accept", ""), list(FORMATS))
    return content_type, FORMATS[content_type]


def as_sse(event: Event) -> bytes:
    """An event as a server-sent event; JSON has no line breaks of its own."""
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (event.id, event.kind.encode(), event.payload)


def as_ndjson(event: Event) -> bytes:
    """An event as a line of JSON: `{id, event, data}`."""
    line = {"id": event.id, "event": event.kind, "data": orjson.Fragment(event.payload)}
    return orjson.dumps(line) + b"\n"


def as_text(event: Event) -> bytes:
    """Chunks as they are; of all else only a failure, as a last line that says so."""
    if event.kind == "chunk":
        return str(orjson.loads(event.payload)["data"]).encode()
    if event.kind == "error":
        problem = orjson.loads(event.payload)
        return f"\nerror: {problem['error']} (task {problem['task_id']})\n".encode()
    return b""


FORMATS: Mapping[str, Format] = {EVENT_STREAM: as_sse, NDJSON: as_ndjson, PLAIN: as_text}
