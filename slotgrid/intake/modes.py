"""How an answer travels: one function for each mode."""

import asyncio
import hashlib
from collections.abc import Callable, Mapping

import orjson
from aiohttp import web

from slotgrid.core.errors import Conflict, InvalidSubmission
from slotgrid.core.events import Event, Reader
from slotgrid.core.submission import Mode
from slotgrid.core.task import Task
from slotgrid.intake.accept import preferred
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

Format = Callable[[Event], bytes]


async def answer(node: Node, task: Task, request: web.Request) -> web.StreamResponse:
    """Run the task and answer in its mode; a caller that leaves takes its task along.

    A durable one goes on: it is accepted as soon as it is recorded.
    """
    if task.submission.mode.durable:
        return await _accepted(node, task, request)
    node.supervisor.start(task)
    try:
        if task.submission.mode is Mode.STREAM:
            return await _stream(task, request)
        return await _sync(task)
    except (asyncio.CancelledError, ConnectionError):
        node.supervisor.cancel(task, CALLER_LEFT)
        raise


async def _accepted(node: Node, task: Task, request: web.Request) -> web.Response:
    assert node.durable is not None, "admission lets durable modes in only where they are offered"
    key = idempotency_key(request)
    body_hash = hashlib.sha256(
        orjson.dumps(task.submission.body, option=orjson.OPT_SORT_KEYS)
    ).hexdigest()
    (accepted,) = await node.durable.accept([(task, key, body_hash)])
    if accepted.conflict:
        raise Conflict("this Idempotency-Key stands for another body", task_id=accepted.task_id)
    return web.json_response(
        await accepted_answer(node, accepted.task_id),
        status=202,
        headers={"Location": f"/tasks/{accepted.task_id}"},
    )


async def accepted_answer(node: Node, task_id: str) -> dict[str, object]:
    """The body of 202: 0 is running or ended, 1 is the next to run."""
    found = await node.ledger.find(task_id)
    assert found is not None
    position = node.dispatcher.position(found) if isinstance(found, Task) else None
    return {"success": True, "id": task_id, "status": found.state, "queue_position": position}


def idempotency_key(request: web.Request) -> str | None:
    """The header `Idempotency-Key`. Raises InvalidSubmission for one that cannot be a key."""
    key = request.headers.get("Idempotency-Key")
    if key is not None and not (1 <= len(key) <= 255 and key.isprintable()):
        raise InvalidSubmission("Idempotency-Key: expected 1 to 255 printable characters")
    return key


async def _sync(task: Task) -> web.Response:
    await task.wait_finished()
    if task.error is not None:
        return problem_response(task.error)
    return web.Response(body=task.events.last.payload, content_type="application/json")


async def _stream(task: Task, request: web.Request) -> web.StreamResponse:
    """Everything the task says, as it says it, and then its one terminal event.

    Until the task has said something, a refusal (no slot in time, a full queue) can still be
    an answer with its own status; but no caller waits longer than a ping for the headers.
    """
    content_type, form = _format(request)
    async with Reader(task.events, pacing=True) as reader:
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
