"""The shapes that the API's documentation speaks of: bodies, parameters, answers."""

from collections.abc import Mapping
from typing import Any

from slotgrid.intake.openapi import Answer, Parameter

JSON = "application/json"
Schema = Mapping[str, Any]

TEXT: Schema = {"type": "string"}
OBJECT: Schema = {"type": "object"}

SUBMISSION: Mapping[str, Schema] = {JSON: {"$ref": "#/components/schemas/Submission"}}
FUNCTION_INPUT: Mapping[str, Schema] = {JSON: OBJECT}
SUBMISSION_QUERY: tuple[Parameter, ...] = ()
TRACE_HEADERS: tuple[Parameter, ...] = ()
TASK_ANSWERS: Mapping[int, Answer] = {200: Answer("The result", {JSON: OBJECT})}
TASK_FILTERS: tuple[Parameter, ...] = ()
PAGING: tuple[Parameter, ...] = ()
WAIT_S = Parameter("wait_s", "Answer when finished, or after so many seconds", {"type": "number"})
LAST_EVENT_ID = Parameter("Last-Event-ID", "Resume behind this event", TEXT, "header")
FOLLOW = Parameter("follow", "Stay open for further lines", {"type": "boolean"})
TASK: Schema = OBJECT
TASK_LIST: Schema = OBJECT
CANCELLED: Schema = OBJECT
BULK_CANCELLED: Schema = OBJECT
ARTIFACT_LIST: Schema = OBJECT
FUNCTION: Schema = OBJECT
FUNCTION_LIST: Schema = OBJECT
HEALTH: Schema = OBJECT
LOGS: Schema = OBJECT
NODE_STATUS: Schema = OBJECT
DRAIN: Mapping[str, Schema] = {
    JSON: {
        "type": "object",
        "properties": {"deadline_s": {"type": "number", "minimum": 0}},
    }
}
