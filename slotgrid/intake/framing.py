"""The formats of values and events in answers: JSON, server-sent events, NDJSON, text."""

from collections.abc import Callable, Mapping

import orjson
from aiohttp import web

from slotgrid.core.event_log import Event
from slotgrid.core.task import log_line
from slotgrid.intake.content_negotiation import preferred
from slotgrid.tasks.event_stream import Missed

EVENT_STREAM = "text/event-stream"
NDJSON = "application/x-ndjson"
PLAIN = "text/plain"

EventFrame = Callable[[Event], bytes]


def json_response(
    value: object, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """An answer in JSON."""
    return web.Response(
        body=orjson.dumps(value), status=status, headers=headers, content_type="application/json"
    )


def event_frame(request: web.Request) -> tuple[str, EventFrame]:
    """The content type and frame of events that `Accept` prefers; server-sent events by default."""
    content_type = preferred(request.headers.get("Accept", ""), list(FRAMES))
    return content_type, FRAMES[content_type]


def as_sse(event: Event) -> bytes:
    """An event as a server-sent event; encoded JSON contains no line breaks."""
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (event.id, event.kind.encode(), event.payload)


def as_sse_or_gap(item: Event | Missed) -> bytes:
    """An event or a gap as a server-sent event.

    A gap has no id: a client that reconnects resumes after the last event that it has.
    """
    if isinstance(item, Event):
        return as_sse(item)
    return b"event: missed\ndata: %s\n\n" % orjson.dumps({"text": item.text, "data": item.count})


def as_ndjson(event: Event) -> bytes:
    """An event as a line of JSON: `{id, event, data}`."""
    line = {"id": event.id, "event": event.kind, "data": orjson.Fragment(event.payload)}
    return orjson.dumps(line) + b"\n"


def as_text(event: Event) -> bytes:
    """The text of a chunk; an error as a last line; nothing for other events."""
    if event.kind == "chunk":
        return str(orjson.loads(event.payload)["data"]).encode()
    if event.kind == "error":
        problem = orjson.loads(event.payload)
        return f"\nerror: {problem['error']} (task {problem['task_id']})\n".encode()
    return b""


def as_log_line(line: Event) -> bytes:
    """A line of a task's log as a line of JSON: `{ts, stream, step, line}`."""
    return log_line(line) + b"\n"


FRAMES: Mapping[str, EventFrame] = {EVENT_STREAM: as_sse, NDJSON: as_ndjson, PLAIN: as_text}
