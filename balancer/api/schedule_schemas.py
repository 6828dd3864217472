"""Schemas and parameters for the OpenAPI descriptions of `/schedules`."""

from collections.abc import Mapping

from balancer.definition_readers import NAME_MOST
from balancer.schedules.cron import CRON_MOST
from balancer.schedules.schedule import OF_TASK, Missed
from balancer.schedules.views import NEXT_RUNS
from slotgrid.core.fields import Mode
from slotgrid.core.schema import JsonSchema
from slotgrid.core.task_states import TaskState
from slotgrid.intake.openapi import Parameter
from slotgrid.intake.schemas import submission
from slotgrid.intake.schemas.basics import (
    FLAG,
    MOMENT,
    TASK_ID,
    TEXT,
    WHOLE,
    doc,
    list_of,
    or_null,
    page_of,
    record,
    ref,
)
from slotgrid.records.store.schedule_firings import RUNS_KEPT, FiringOutcome, Overlap
from slotgrid.records.store.schedules import API, FILE

_NAME: JsonSchema = {
    "type": "string",
    "pattern": f"^[A-Za-z0-9][A-Za-z0-9._-]{{0,{NAME_MOST - 1}}}$",
    "examples": ["nightly-report"],
}
_CRON: JsonSchema = {
    "type": "string",
    "minLength": 1,
    "maxLength": CRON_MOST,
    "description": "Five fields (minute, hour, day of the month, month, day of the week), or six "
    "with the seconds first",
    "examples": ["30 6 * * MON-FRI"],
}
_ZONE: JsonSchema = {
    "type": "string",
    "default": "UTC",
    "description": "The IANA time zone of `cron`",
    "examples": ["Europe/Berlin"],
}
_OVERLAP: JsonSchema = {
    "type": "string",
    "enum": [str(one) for one in Overlap],
    "default": str(Overlap.SKIP),
    "description": "What a firing does while a task of an earlier one has not ended",
}
_MISSED: JsonSchema = {
    "type": "string",
    "enum": [str(one) for one in Missed],
    "default": str(Missed.SKIP),
    "description": "What becomes of firings for which no balancer was ready",
}
_MODE: JsonSchema = {
    "type": "string",
    "enum": [str(mode) for mode in Mode if mode.durable],
    "description": "`webhook` if `webhook` is given, else `async`",
}
_DEFINITION: Mapping[str, JsonSchema] = {
    "cron": _CRON,
    "timezone": _ZONE,
    "function": doc(TEXT, "The function that a firing runs"),
    "input": doc({"type": "object"}, "The input of each task"),
    **{name: submission.FIELDS[name] for name in OF_TASK if name in submission.FIELDS},
    "mode": _MODE,
    "overlap": _OVERLAP,
    "missed": _MISSED,
    "enabled": {**FLAG, "default": True},
}
_RUN = record(
    "One firing",
    {
        "due_at": doc(MOMENT, "When it was due"),
        "fired_at": MOMENT,
        "outcome": doc(
            {"type": "string", "enum": [str(one) for one in FiringOutcome]},
            "`skipped` and `missed` started no task, for the `reason`",
        ),
        "task_id": or_null(TASK_ID),
        "task_status": or_null(
            doc(
                {"type": "string", "enum": [str(state) for state in TaskState]},
                "The state of the task now; null if its record is gone",
            )
        ),
        "reason": or_null(TEXT),
    },
)

COMPONENTS: Mapping[str, JsonSchema] = {
    "NewSchedule": {
        "type": "object",
        "description": "When to start which task",
        "required": ["name", "cron", "function"],
        "additionalProperties": False,
        "properties": {"name": _NAME, **_DEFINITION},
    },
    "ScheduleReplacement": {
        "type": "object",
        "description": "As a new schedule; `name` is that of the path",
        "required": ["cron", "function"],
        "additionalProperties": False,
        "properties": {"name": _NAME, **_DEFINITION},
    },
    "Schedule": record(
        "A schedule. Of one whose definition is no longer valid, only `cron`, `timezone` and "
        "`function` are shown",
        {
            "name": _NAME,
            "cron": or_null(TEXT),
            "timezone": or_null(TEXT),
            "function": or_null(TEXT),
            "input": doc({"type": "object"}, "Values that the function marks as secret are hidden"),
            "group": TEXT,
            "contract": or_null(WHOLE),
            "priority": WHOLE,
            "mode": _MODE,
            "webhook": or_null(
                record("The receiver of the results, without its secret", {"url": TEXT})
            ),
            "timeout_s": or_null({"type": "number"}),
            "place": or_null({"type": "object"}),
            "metadata": {"type": "object"},
            "overlap": _OVERLAP,
            "missed": _MISSED,
            "enabled": doc(FLAG, "Whether it fires: it is switched on and has no `fault`"),
            "fault": or_null(doc(TEXT, "Why it does not fire although it is switched on")),
            "owner": doc(TEXT, "The owner of its tasks"),
            "origin": doc(
                {"type": "string", "enum": [API, FILE]},
                "A schedule of the file is changed in the file only",
            ),
            "created_at": MOMENT,
            "changed_at": MOMENT,
            "next_runs": doc(
                list_of(MOMENT), f"The next {NEXT_RUNS} firings; none while it does not fire"
            ),
            "last_runs": doc(
                list_of(_RUN),
                f"Its last firings, newest first: a few in a list, else up to {RUNS_KEPT}",
            ),
        },
        optional={
            "input", "group", "contract", "priority", "mode", "webhook", "timeout_s", "place",
            "metadata", "overlap", "missed",
        },
    ),
    "ScheduleList": page_of("schedules", ref("Schedule")),
    "ScheduleDocument": record("", {"schedule": ref("Schedule")}),
    "ScheduleStarted": record(
        "", {"success": FLAG, "id": doc(TASK_ID, "The task"), "schedule": TEXT}
    ),
    "ScheduleRemoved": record("", {"success": FLAG, "name": TEXT}),
}  # fmt: skip

_JSON = "application/json"
NEW_SCHEDULE: Mapping[str, JsonSchema] = {_JSON: ref("NewSchedule")}
REPLACEMENT: Mapping[str, JsonSchema] = {_JSON: ref("ScheduleReplacement")}
SCHEDULE = ref("ScheduleDocument")
SCHEDULE_LIST = ref("ScheduleList")
STARTED = ref("ScheduleStarted")
REMOVED = ref("ScheduleRemoved")
SCHEDULE_NAME = Parameter("name", "The schedule", TEXT, "path")
