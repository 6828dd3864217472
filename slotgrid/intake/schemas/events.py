"""The events of a stream: one schema for each kind of event, the same in every format."""

from collections.abc import Mapping

from slotgrid.core.schema import JsonSchema
from slotgrid.intake.schemas.basics import ANYTHING, TEXT, or_null, record, ref, said

_ID: JsonSchema = {
    "type": "integer",
    "minimum": 1,
    "description": "Grows by one with each event of the task",
}
_OF_THE_NODE = ("chunk", "done", "error", "missed")


def _event(description: str, kind: str, data: JsonSchema) -> JsonSchema:
    members = {"id": _ID, "event": {"type": "string", "const": kind}, "data": data}
    return record(description, members)


COMPONENTS: Mapping[str, JsonSchema] = {
    "StreamEvent": {
        "description": "One thing that a running task said. In `text/event-stream` the members "
        "are the fields of a frame, in `application/x-ndjson` those of a line.",
        "oneOf": [
            ref("ChunkEvent"),
            ref("SpokenEvent"),
            ref("MissedEvent"),
            ref("DoneEvent"),
            ref("ErrorEvent"),
        ],
    },
    "ChunkEvent": _event("A piece of the answer", "chunk", record("", {"data": TEXT})),
    "SpokenEvent": record(
        "Anything else: `status`, `progress` (data: `{fraction}`, from 0 to 1), `log`, `step`, "
        "`recording`, `artifact`, and kinds of the function's own",
        {
            "id": _ID,
            "event": {"type": "string", "not": {"enum": list(_OF_THE_NODE)}},
            "data": record("", {"text": or_null(TEXT), "data": ANYTHING}),
        },
    ),
    "MissedEvent": record(
        "So many earlier events are no longer kept; null where nobody knows how many, as they were "
        "said in an earlier process. It has no `id` of its own",
        {
            "event": {"type": "string", "const": "missed"},
            "data": record("", {"text": TEXT, "data": {"type": ["integer", "null"], "minimum": 1}}),
        },
    ),
    "DoneEvent": _event("The last event of a task that went well", "done", ref("TaskAnswer")),
    "ErrorEvent": _event(
        "The last event of a task that did not, also when the node is what failed",
        "error",
        said(ref("Problem"), "The same that mode `sync` would have answered"),
    ),
}

_CHUNK = '{"data":"Hello, "}'
_DONE = (
    '{"success":true,"id":"0198c0de-7a3b-7c11-9d5e-2f6a1b0c4d3e",'
    '"result":{"message":"Hello, World!"},"worker":"machine:3000","queued_ms":0.1,"run_ms":1.2}'
)
AS_SSE = f"id: 1\nevent: chunk\ndata: {_CHUNK}\n\n: ping\n\nid: 2\nevent: done\ndata: {_DONE}\n\n"
AS_NDJSON = (
    f'{{"id":1,"event":"chunk","data":{_CHUNK}}}\n{{"id":2,"event":"done","data":{_DONE}}}\n'
)
