"""Schemas of tasks in answers."""

from collections.abc import Mapping

from slotgrid.core.fields import Mode
from slotgrid.core.schema import JsonSchema
from slotgrid.core.states import StepState, TaskState
from slotgrid.intake.schemas.basics import (
    ANYTHING,
    MILLISECONDS,
    MOMENT,
    TASK_ID,
    TEXT,
    WHOLE,
    list_of,
    or_null,
    page_of,
    record,
    ref,
    said,
)

STATUS: JsonSchema = {"type": "string", "enum": [str(state) for state in TaskState]}
KIND: JsonSchema = {"type": "string", "enum": ["python", "recipe", "flow"]}
SOURCE_KIND: JsonSchema = {
    "type": "string",
    "enum": ["api", "dashboard", "schedule", "hook", "flow", "call", "retry"],
}
DELIVERY_STATES = ("pending", "delivered", "failed")
SUCCESS: JsonSchema = {"type": "boolean", "const": True}

_SUMMARY: Mapping[str, JsonSchema] = {
    "id": TASK_ID,
    "function": TEXT,
    "kind": KIND,
    "group": TEXT,
    "contract": WHOLE,
    "status": STATUS,
    "mode": {"type": "string", "enum": [str(mode) for mode in Mode]},
    "priority": {"type": "integer", "minimum": 1, "maximum": 9},
    "owner": said(TEXT, "The name of the key that submitted it"),
    "source": record(
        "What started it",
        {
            "kind": SOURCE_KIND,
            "id": or_null(TEXT),
        },
    ),
    "worker": or_null(said(TEXT, "Where it runs or ran last")),
    "created_at": MOMENT,
    "started_at": or_null(MOMENT),
    "finished_at": or_null(MOMENT),
    "queued_ms": said(MILLISECONDS, "Waiting for slots, up to now"),
    "run_ms": said(MILLISECONDS, "Running, over all attempts, up to now"),
    "queue_position": or_null(
        said(WHOLE, "1 is the next; null unless it is queued, in memory and not on disk")
    ),
}

_STATE_OF_ACCEPTED: Mapping[str, JsonSchema] = {
    "id": TASK_ID,
    "status": STATUS,
    "queue_position": or_null(
        said(
            WHOLE,
            "0 runs or has ended, 1 is the next; null where it waits on disk, behind those in "
            "memory",
        )
    ),
}

COMPONENTS: Mapping[str, JsonSchema] = {
    "TaskAnswer": record(
        "How a task ended well",
        {
            "success": SUCCESS,
            "id": TASK_ID,
            "result": ref("FunctionResult"),
            "worker": TEXT,
            "queued_ms": MILLISECONDS,
            "run_ms": MILLISECONDS,
        },
    ),
    "TaskSummary": record(
        "A task as a row of a list", {**_SUMMARY, "error": or_null(said(TEXT, "In a sentence"))}
    ),
    "Task": record(
        "A task, with everything that is known of it",
        {
            **_SUMMARY,
            "input": said(ANYTHING, "With defaults filled in, and without its secrets"),
            "metadata": {"type": "object"},
            "timeout_s": said({"type": "number"}, "Seconds that one attempt may run"),
            "wait_s": or_null(said({"type": "number"}, "Seconds it may wait, if it says so")),
            "attempts": list_of(ref("Attempt")),
            "steps": list_of(ref("Step")),
            "artifacts": list_of(ref("Artifact")),
            "lost_starts": said(WHOLE, "Runs that ended with their process, before those here"),
            "deliveries": said(list_of(ref("DeliveryAttempt")), "Attempts to send its webhook"),
            "result": said(ANYTHING, "What the function returned; null unless completed"),
            "error": or_null(ref("Problem")),
        },
    ),
    "TaskDocument": record("", {"task": ref("Task")}),
    "TaskList": page_of("tasks", ref("TaskSummary")),
    "Attempt": record(
        "One run of a task",
        {
            "number": {"type": "integer", "minimum": 1},
            "worker": TEXT,
            "slot": said(or_null(WHOLE), "Null until the worker has said which it is"),
            "started_at": MOMENT,
            "ended_at": or_null(MOMENT),
            "error": or_null(ref("Problem")),
        },
    ),
    "Step": record(
        "One part of a task, such as a function that it called",
        {
            "name": TEXT,
            "function": TEXT,
            "status": {"type": "string", "enum": [str(state) for state in StepState]},
            "started_at": MOMENT,
            "ended_at": or_null(MOMENT),
            "output": ANYTHING,
            "error": or_null(TEXT),
        },
    ),
    "Artifact": record(
        "A file that a task saved",
        {
            "name": TEXT,
            "size": said(WHOLE, "Bytes"),
            "content_type": TEXT,
            "url": said(TEXT, "Where to get it, relative to the node"),
        },
    ),
    "ArtifactList": page_of("artifacts", ref("Artifact")),
    "LogLine": record(
        "One line of a task's log",
        {
            "ts": MOMENT,
            "stream": said(TEXT, "`stdout` or `stderr`"),
            "step": said(TEXT, "Who wrote it; `_node` is the node itself"),
            "line": TEXT,
        },
    ),
    "Accepted": record("A durable task is recorded", {"success": SUCCESS, **_STATE_OF_ACCEPTED}),
    "BatchAccepted": record(
        "Every task is recorded",
        {
            "success": SUCCESS,
            "tasks": said(list_of(record("", _STATE_OF_ACCEPTED)), "In the order they came in"),
        },
    ),
    "DeliveryAttempt": record(
        "One attempt to send a task's webhook",
        {
            "number": {"type": "integer", "minimum": 1},
            "at": MOMENT,
            "duration_ms": MILLISECONDS,
            "status": or_null(said(WHOLE, "The receiver's HTTP status")),
            "error": or_null(TEXT),
        },
    ),
    "Redelivering": record(
        "The webhook is being sent again", {"success": SUCCESS, "id": TASK_ID, "status": STATUS}
    ),
    "Cancelled": record(
        "The task has ended", {"success": SUCCESS, "id": TASK_ID, "status": STATUS}
    ),
    "BulkCancelled": record("", {"success": SUCCESS, "cancelled": WHOLE, "ids": list_of(TASK_ID)}),
}
