"""The body of `POST /task`. A test compares this schema with its parser, `Submission.parse`."""

from collections.abc import Mapping

from slotgrid.core.field_readers import SLOT_MOST
from slotgrid.core.fields import DEFAULT_PRIORITY, LOWEST_PRIORITY, Mode
from slotgrid.core.schema import JsonSchema
from slotgrid.intake.schemas.basics import NAME, TEXT, ref
from slotgrid.tasks.bulk import BULK_MOST

_STRINGS: JsonSchema = {"type": "object", "additionalProperties": TEXT}
_MOMENT: JsonSchema = {"type": "string", "format": "date-time"}

FIELDS: Mapping[str, JsonSchema] = {
    "group": {**NAME, "description": "The function's group; this node's own when omitted"},
    "contract": {
        "type": "integer",
        "minimum": 1,
        "description": "The contract of the group; the newest with a ready worker when omitted",
    },
    "priority": {
        "type": "integer",
        "minimum": 1,
        "default": DEFAULT_PRIORITY,
        "description": f"1 is the highest; more than {LOWEST_PRIORITY} counts as {LOWEST_PRIORITY}",
    },
    "mode": {
        "type": "string",
        "enum": [str(mode) for mode in Mode],
        "default": str(Mode.SYNC),
        "description": "How the result is delivered. `sync`: in the answer; `stream`: as events; "
        "`webhook` and `async`: later, after the task is recorded",
    },
    "timeout_s": {
        "type": "number",
        "exclusiveMinimum": 0,
        "description": "Time limit of one attempt, in seconds; the function's `timeout_s` is the "
        "default and the maximum",
    },
    "wait_s": {
        "type": "number",
        "minimum": 0,
        "description": "Seconds that the task may wait for a slot; in modes sync and stream the "
        "node's MAX_WAIT_S when omitted",
    },
    "not_before": {**_MOMENT, "description": "Durable modes: the earliest time to queue the task"},
    "expires_at": {**_MOMENT, "description": "Durable modes: the latest time to start the task"},
    "place": {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "worker": NAME,
            "pool": NAME,
            "labels": _STRINGS,
            "slot": {
                "type": "integer",
                "minimum": 0,
                "maximum": SLOT_MOST,
                "description": "The number of one slot of a persistent pool, from 0; requires "
                "`pool`, at a balancer `worker` too",
            },
        },
        "dependentRequired": {"slot": ["pool"]},
        "description": "Only a matching worker, pool and slot may run the task",
    },
    "webhook": {
        "type": "object",
        "additionalProperties": False,
        "required": ["url"],
        "properties": {
            "url": {"type": "string", "format": "uri", "pattern": "^https?://"},
            "headers": _STRINGS,
            "secret": {**NAME, "writeOnly": True},
        },
        "description": "The receiver of the result; mode `webhook` requires it, others refuse it",
    },
    "metadata": {
        "type": "object",
        "description": "Any object; returned unchanged with the task",
    },
}
"""The fields besides `function` and `input`; `POST /functions/{name}` has them in the query."""

SUBMISSION: JsonSchema = {
    "type": "object",
    "description": "One request to run one function",
    "required": ["function"],
    "additionalProperties": False,
    "properties": {
        "function": ref("FunctionName"),
        "input": ref("FunctionInput"),
        **FIELDS,
    },
}

BATCH: JsonSchema = {
    "type": "object",
    "description": "Durable submissions that are accepted together or not at all",
    "required": ["tasks"],
    "additionalProperties": False,
    "properties": {
        "tasks": {
            "type": "array",
            "minItems": 1,
            "maxItems": BULK_MOST,
            "items": ref("Submission"),
        }
    },
}
