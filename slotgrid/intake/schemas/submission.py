"""The body of `POST /task`. A test compares this schema with its parser, `Submission.parse`."""

from collections.abc import Mapping

from slotgrid.core.fields import DEFAULT_PRIORITY, LOWEST_PRIORITY, Mode
from slotgrid.core.schema import JsonSchema
from slotgrid.intake.schemas.basics import NAME, TEXT, ref
from slotgrid.tasks.bulk import BULK_MOST

_STRINGS: JsonSchema = {"type": "object", "additionalProperties": TEXT}
_MOMENT: JsonSchema = {"type": "string", "format": "date-time"}

FIELDS: Mapping[str, JsonSchema] = {
    "group": {**NAME, "description": "The group that serves it; this node's own when omitted"},
    "contract": {
        "type": "integer",
        "minimum": 1,
        "description": "The version of the group; omitted means the newest that is ready",
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
        "description": "How the answer travels. `sync`: when it is there; `stream`: piece by "
        "piece; `webhook` and `async`: recorded first, for later",
    },
    "timeout_s": {
        "type": "number",
        "exclusiveMinimum": 0,
        "description": "Seconds that one attempt may run; at most the function's own, which is "
        "also the default",
    },
    "wait_s": {
        "type": "number",
        "minimum": 0,
        "description": "Seconds to wait for a slot; in sync and stream the node's MAX_WAIT_S "
        "when omitted",
    },
    "not_before": {**_MOMENT, "description": "Durable modes: do not queue it earlier"},
    "expires_at": {**_MOMENT, "description": "Durable modes: do not start it later"},
    "place": {
        "type": "object",
        "additionalProperties": False,
        "properties": {"worker": NAME, "pool": NAME, "labels": _STRINGS},
        "description": "Run it only there",
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
        "description": "Where the answer goes; mode `webhook` needs it, and no other takes it",
    },
    "metadata": {
        "type": "object",
        "description": "Passed through unchanged; shown with the task",
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
