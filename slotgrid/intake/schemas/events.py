"""The events of a stream: one schema for each kind of event, the same in every format."""

from collections.abc import Mapping

from slotgrid.core.schema import JsonSchema
from slotgrid.intake.schemas.basics import (
    ANYTHING,
    MILLISECONDS,
    MOMENT,
    TASK_ID,
    TEXT,
    WHOLE,
    doc,
    or_null,
    record,
    ref,
)

_ID: JsonSchema = {
    "type": "integer",
    "minimum": 1,
    "description": "The event's number within the task, from 1",
}
_OF_THE_NODE = ("chunk", "done", "error", "missed")


def _event(description: str, kind: str, data: JsonSchema) -> JsonSchema:
    members = {"id": _ID, "event": {"type": "string", "const": kind}, "data": data}
    return record(description, members)


COMPONENTS: Mapping[str, JsonSchema] = {
    "StreamEvent": {
        "description": "One event of a task. In `text/event-stream` the members are the fields "
        "of a frame, in `application/x-ndjson` those of a line.",
        "oneOf": [
            ref("ChunkEvent"),
            ref("TaskEvent"),
            ref("MissedEvent"),
            ref("DoneEvent"),
            ref("ErrorEvent"),
        ],
    },
    "ChunkEvent": _event("A piece of the answer", "chunk", record("", {"data": TEXT})),
    "TaskEvent": record(
        "All other kinds: `status`, `progress` (data: `{fraction}`, from 0 to 1), `log`, `step`, "
        "`recording`, `artifact`, and custom kinds",
        {
            "id": _ID,
            "event": {"type": "string", "not": {"enum": list(_OF_THE_NODE)}},
            "data": record("", {"text": or_null(TEXT), "data": ANYTHING}),
        },
    ),
    "MissedEvent": record(
        "The number of earlier events that were evicted; null if the number is unknown, as an "
        "earlier process kept them. It has no `id` of its own",
        {
            "event": {"type": "string", "const": "missed"},
            "data": record("", {"text": TEXT, "data": {"type": ["integer", "null"], "minimum": 1}}),
        },
    ),
    "TaskChange": record(
        "One change of one task, as it was then: `queued` (it waits for a slot), `started` (an "
        "attempt runs), `retrying` (an attempt has failed, another follows) or `ended`",
        {
            "id": {"type": "integer", "minimum": 1, "description": "Grows with each change"},
            "event": {"type": "string", "enum": ["queued", "started", "retrying", "ended"]},
            "data": record(
                "",
                {
                    "at": MOMENT,
                    "task": TASK_ID,
                    "function": TEXT,
                    "group": TEXT,
                    "contract": WHOLE,
                    "owner": TEXT,
                    "mode": TEXT,
                    "source": record("", {"kind": TEXT, "id": or_null(TEXT)}),
                    "status": TEXT,
                    "attempt": doc(WHOLE, "0 before the first"),
                    "worker": or_null(TEXT),
                    "pool": or_null(TEXT),
                    "slot": or_null(doc(WHOLE, "The number of the slot in its pool")),
                    "parent": or_null(doc(TASK_ID, "The flow's task, of the task of a step")),
                    "step": or_null(TEXT),
                    "queued_ms": MILLISECONDS,
                    "run_ms": MILLISECONDS,
                    "error": or_null(record("", {"type": TEXT, "detail": TEXT})),
                },
            ),
        },
    ),
    "DoneEvent": _event("The terminal event of a completed task", "done", ref("TaskAnswer")),
    "ErrorEvent": _event(
        "The terminal event of a failed or cancelled task, also after a failure of the node",
        "error",
        doc(ref("Problem"), "The problem that mode `sync` would answer"),
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
