"""Schemas and parameters for the OpenAPI descriptions of the balancer's own handlers."""

from collections.abc import Mapping

from balancer.fleet.worker_states import WorkerState
from slotgrid.core.schema import JsonSchema
from slotgrid.intake.openapi import Parameter
from slotgrid.intake.schemas.basics import (
    MOMENT,
    SEARCHED,
    TEXT,
    WHOLE,
    doc,
    list_of,
    or_null,
    page_of,
    record,
    ref,
)

_STATE: JsonSchema = {"type": "string", "enum": [str(state) for state in WorkerState]}
_NUMBER: JsonSchema = {"type": "number"}
_OPEN: JsonSchema = {"type": "object"}
_STRINGS: JsonSchema = {"type": "object", "additionalProperties": TEXT}

_WORKER: Mapping[str, JsonSchema] = {
    "name": TEXT,
    "status": doc(_STATE, "Only a `ready` worker gets tasks"),
    "detail": or_null(doc(TEXT, "The reason for the status")),
    "group": TEXT,
    "contract": WHOLE,
    "version": TEXT,
    "versions": doc(_STRINGS, "The versions of Python, Chromium and others"),
    "address": or_null(
        doc(TEXT, "The worker's URL in `workers.json`; null if the worker dialled in")
    ),
    "weight": _NUMBER,
    "labels": _STRINGS,
    "slots": record(
        "From the last report; `available` is how many tasks this balancer would send now",
        {"used": WHOLE, "available": WHOLE, "limit": WHOLE, "queue": WHOLE, "held": or_null(TEXT)},
    ),
    "pools": {"type": "object", "additionalProperties": ref("PoolCount")},
    "sent": doc(WHOLE, "Tasks of this balancer that the worker has, or that are in transit to it"),
    "tags": _OPEN,
    "services": {"type": "object", "additionalProperties": {"type": "boolean"}},
    "functions_count": WHOLE,
    "browsers": or_null(WHOLE),
    "system": record(
        "",
        {
            "cpu_percent": _NUMBER,
            "memory_percent": _NUMBER,
            "memory_bytes": WHOLE,
            "loop_lag_ms": _NUMBER,
        },
    ),
    "report_age_s": doc(_NUMBER, "Seconds since its last report"),
    "link_age_s": or_null(doc(_NUMBER, "Seconds since the link was opened; null without a link")),
    "lost_at": or_null(MOMENT),
}

COMPONENTS: Mapping[str, JsonSchema] = {
    "Worker": record("A worker in this balancer's view", _WORKER),
    "WorkerList": page_of("workers", ref("Worker")),
    "WorkerDocument": record(
        "",
        {
            "worker": record(
                "A worker, its functions and its last tasks",
                {
                    **_WORKER,
                    "functions": list_of(
                        record("", {"name": TEXT, "description": TEXT, "revision": TEXT})
                    ),
                    "tasks": list_of(ref("TaskSummary")),
                },
            )
        },
    ),
}

WORKER = ref("WorkerDocument")
WORKER_LIST = ref("WorkerList")
WORKER_NAME = Parameter("name", "The worker", TEXT, "path")
WORKER_FILTERS: tuple[Parameter, ...] = (
    Parameter("group", "The group that the worker serves", SEARCHED),
    Parameter("status", "The worker's status", _STATE),
)
