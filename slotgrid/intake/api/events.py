"""`GET /events`: what the tasks of this node do, as it happens."""

import msgspec
import orjson
from aiohttp import web
from aiohttp_apispec import docs

from slotgrid.core.deadlines import iso
from slotgrid.core.errors import InvalidSubmission, QueueFull
from slotgrid.core.principal import Scope
from slotgrid.intake import openapi_parts as d
from slotgrid.intake import stream_response
from slotgrid.intake.api.streams import last_event_id
from slotgrid.intake.auth import PRINCIPAL
from slotgrid.intake.framing import EVENT_STREAM
from slotgrid.intake.node_parts import NODE
from slotgrid.intake.openapi import Answer
from slotgrid.tasks.event_stream import Missed
from slotgrid.tasks.feed import FeedEvent, FeedFilter


@docs(
    summary="Changes of tasks as they happen",
    description="Of all tasks that the caller may see, unless the query narrows them. "
    "`Last-Event-ID` resumes after that change, as far as the node remembers; an event `missed` "
    "says how many were lost.",
    tags=["tasks"],
    scope=Scope.READ,
    parameters=(*d.FEED_FILTERS, d.LAST_EVENT_ID, d.LAST_EVENT_ID_QUERY),
    responses={200: Answer("Server-sent events", {EVENT_STREAM: d.CHANGES})},
    problems=(InvalidSubmission, QueueFull),
)
async def feed(request: web.Request) -> web.StreamResponse:
    """`GET /events`."""
    query = dict(request.query)
    query.pop("last_event_id", None)
    slot = query.pop("slot", None)
    wanted = FeedFilter(**query, slot=None if slot is None else int(slot))
    tasks = request.config_dict[NODE].tasks
    listener = tasks.watch(request[PRINCIPAL], wanted, after=last_event_id(request) or None)
    async with listener:
        response = await stream_response.open_stream(request, EVENT_STREAM)
        await response.write(b": listening\n\n")
        await stream_response.send(request, response, listener, _frame, ended=tasks.feed.wait_ended)
    return response


def _frame(item: FeedEvent | Missed) -> bytes:
    if isinstance(item, Missed):
        gap = orjson.dumps({"text": item.text, "data": item.count})
        return b"event: missed\ndata: %s\n\n" % gap
    data = {"at": iso(item.at), **msgspec.to_builtins(item.change)}
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (item.id, item.kind.encode(), orjson.dumps(data))
