"""Schemas and parameters for the OpenAPI descriptions of `/hooks`."""

from collections.abc import Mapping

from balancer.hooks.hook import OF_TASK, Input, Verify
from slotgrid.core.schema import JsonSchema
from slotgrid.intake.openapi import Answer, Parameter
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
    record,
    ref,
)

COMPONENTS: Mapping[str, JsonSchema] = {
    "Hook": record(
        "A hook of `hooks.yaml`, without its secrets",
        {
            "name": TEXT,
            "path": doc(TEXT, "Where its senders post to"),
            "verify": {"type": "string", "enum": [str(one) for one in Verify]},
            "secrets": doc(WHOLE, "The number of accepted secrets"),
            "input": {"type": "string", "enum": [str(one) for one in Input]},
            "mode": {"type": "string", "enum": ["sync", "async"]},
            "owner": doc(TEXT, "The owner of its tasks"),
            "enabled": FLAG,
            "fault": or_null(doc(TEXT, "Why it starts nothing although it is enabled")),
            "function": TEXT,
            **{name: submission.FIELDS[name] for name in OF_TASK if name in submission.FIELDS},
            "calls": record(
                "Its calls since the start of this balancer",
                {
                    "count": WHOLE,
                    "outcomes": doc(
                        {"type": "object", "additionalProperties": WHOLE},
                        "The number of calls by outcome: `accepted`, `ping`, or the "
                        "name of the problem",
                    ),
                    "last_at": or_null(MOMENT),
                    "last_outcome": or_null(TEXT),
                    "last_task_id": or_null(TASK_ID),
                },
            ),
        },
        optional=[name for name in OF_TASK if name != "function"],
    ),
    "HookList": record("", {"hooks": list_of(ref("Hook")), "total": WHOLE}),
}
HOOK_NAME = Parameter("name", "The hook", TEXT, "path")
HOOK_LIST = ref("HookList")
RESULT: JsonSchema = {
    "anyOf": [ref("TaskAnswer"), record("For GitHub's `ping`", {"success": FLAG})]
}
ACCEPTED = Answer(
    "The task is recorded, and has not ended",
    {"application/json": ref("Accepted")},
    {"Location": "The task's own address"},
)
ANY_BODY: Mapping[str, JsonSchema] = {
    "application/json": {},
    "application/x-www-form-urlencoded": {"type": "object"},
}
