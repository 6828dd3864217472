"""Schemas of the node, its functions and its log in answers."""

from collections.abc import Mapping

from slotgrid.core.fields import Mode
from slotgrid.core.node import NodeState
from slotgrid.core.schema import JsonSchema
from slotgrid.intake.schemas.basics import (
    MOMENT,
    TEXT,
    WHOLE,
    list_of,
    or_null,
    page_of,
    record,
    ref,
    said,
)
from slotgrid.intake.schemas.tasks import KIND

_STATE: JsonSchema = {"type": "string", "enum": [str(state) for state in NodeState]}
_OPEN: JsonSchema = {"type": "object"}
_STRINGS: JsonSchema = {"type": "object", "additionalProperties": TEXT}

COMPONENTS: Mapping[str, JsonSchema] = {
    "Function": record(
        "What can be run here",
        {
            "name": TEXT,
            "description": TEXT,
            "kind": KIND,
            "input": said(ref("JsonSchema"), "The schema of its input"),
            "output": said(
                or_null(ref("JsonSchema")), "The schema of its result, if it declares one"
            ),
            "modes": list_of({"type": "string", "enum": [str(mode) for mode in Mode]}),
            "timeout_s": said({"type": "number"}, "Seconds one attempt may run: default and most"),
            "pool": TEXT,
            "isolation": TEXT,
            "retries": said(WHOLE, "Further attempts after a failed one"),
            "requires": said(list_of(TEXT), "The services that must be up"),
            "concurrency": or_null(said(WHOLE, "How many may run at once")),
            "rate": or_null(said(TEXT, "How many may start in a time")),
            "contract": WHOLE,
            "group": TEXT,
            "revision": said(TEXT, "Changes with the function's code"),
        },
    ),
    "JsonSchema": {"type": "object", "description": "A JSON Schema, draft 2020-12"},
    "FunctionList": page_of("functions", ref("Function")),
    "Health": record(
        "How the node is; everything but `status` needs a key",
        {
            "status": _STATE,
            "name": TEXT,
            "group": TEXT,
            "contract": WHOLE,
            "version": TEXT,
            "labels": _STRINGS,
            "functions": said(
                list_of(
                    record("", {"name": TEXT, "revision": TEXT, "group": TEXT}, optional=("group",))
                ),
                "What can be run; on a balancer with the group that it belongs to",
            ),
            "broken": said(
                list_of(record("", {"path": TEXT, "error": TEXT, "kept_revision": or_null(TEXT)})),
                "Files of functions that cannot be used as they are",
            ),
            "slots": record(
                "All pools together: of `limit` slots so many are `used`, so many `available` to "
                "a task that comes now; `queue` tasks wait; `held` says why slots are held back",
                {
                    "used": WHOLE,
                    "available": WHOLE,
                    "limit": WHOLE,
                    "queue": WHOLE,
                    "held": or_null(TEXT),
                },
            ),
            "pools": {"type": "object", "additionalProperties": ref("PoolCount")},
            "workers": record(
                "On a balancer: its workers by state; those `listed` in its file, and those of "
                "them that have not been heard yet; what is wrong with the file",
                {
                    "total": WHOLE,
                    "listed": WHOLE,
                    "unheard": list_of(TEXT),
                    "states": {"type": "object", "additionalProperties": WHOLE},
                    "file_fault": or_null(TEXT),
                },
            ),
            "durable": record(
                "Durable tasks that wait, on disk or in memory, and whether the database answers; "
                "the reason where it does not",
                {
                    "waiting": WHOLE,
                    "database": {"type": "string", "enum": ["available", "unavailable"]},
                    "reason": or_null(TEXT),
                },
            ),
            "services": list_of(ref("Service")),
            "tags": _OPEN,
            "browsers": said(_OPEN, "Its browsers, one by one"),
            "system": said(_OPEN, "Processor and memory of the machine, and the event loop"),
        },
        optional=(
            *("name", "group", "contract", "labels", "version", "functions", "broken"),
            *("slots", "pools", "workers", "durable", "services", "tags", "browsers", "system"),
        ),
    ),
    "Group": record(
        "A set of functions, and who serves it",
        {
            "name": TEXT,
            "contracts": said(list_of(WHOLE), "The versions that are served now"),
            "functions_count": WHOLE,
            "recipes_count": WHOLE,
            "flows_count": WHOLE,
            "schedules_count": WHOLE,
            "revision": said(TEXT, "Changes with any of its functions"),
            "workers": said(WHOLE, "How many workers serve it"),
        },
    ),
    "GroupList": page_of("groups", ref("Group")),
    "PoolCount": record("How full a pool is", {"size": WHOLE, "free": WHOLE, "busy": WHOLE}),
    "Service": record(
        "A long-lived helper of functions",
        {
            "name": TEXT,
            "state": {"type": "string", "enum": ["starting", "up", "down"]},
            "status": {},
            "since": MOMENT,
            "restarts": WHOLE,
            "error": or_null(TEXT),
        },
    ),
    "NodeStatus": record(
        "", {"status": _STATE, "message": said(TEXT, "In words")}, optional=("message",)
    ),
    "Alive": record("", {"status": {"type": "string", "const": "alive"}}),
    "NodeLogs": record(
        "",
        {
            "logs": list_of(
                record(
                    "One event, with its own fields beside these",
                    {"ts": MOMENT, "level": TEXT, "event": TEXT},
                    additionalProperties=True,
                )
            )
        },
    ),
    "Drain": {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "deadline_s": or_null(
                {
                    "type": "number",
                    "minimum": 0,
                    "description": "Seconds for what is here to finish; DRAIN_S when omitted",
                }
            )
        },
    },
}
