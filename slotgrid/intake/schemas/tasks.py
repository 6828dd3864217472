"""Schemas of tasks in answers."""

from collections.abc import Mapping

from slotgrid.core.fields import Mode
from slotgrid.core.schema import JsonSchema
from slotgrid.core.task_states import StepState, TaskState
from slotgrid.intake.schemas.basics import (
    ANYTHING,
    MILLISECONDS,
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
    "owner": doc(TEXT, "The name of the user who submitted it"),
    "source": record(
        "What started the task",
        {
            "kind": SOURCE_KIND,
            "id": or_null(TEXT),
        },
    ),
    "parent": or_null(doc(TASK_ID, "The flow whose step the task is")),
    "step": or_null(doc(TEXT, "The step's name, with the item's index: `name[index]`")),
    "worker": or_null(doc(TEXT, "The worker of the current or last attempt")),
    "created_at": MOMENT,
    "started_at": or_null(MOMENT),
    "finished_at": or_null(MOMENT),
    "queued_ms": doc(MILLISECONDS, "Time in queues, up to now"),
    "run_ms": doc(MILLISECONDS, "Running time of all attempts, up to now"),
    "queue_position": or_null(
        doc(WHOLE, "1 is the next task; null unless the task is queued in memory")
    ),
}

_STATE_OF_ACCEPTED: Mapping[str, JsonSchema] = {
    "id": TASK_ID,
    "status": STATUS,
    "queue_position": or_null(
        doc(
            WHOLE,
            "0 is a running or ended task, 1 the next one; null while the task waits on disk, "
            "after those in memory",
        )
    ),
}

COMPONENTS: Mapping[str, JsonSchema] = {
    "TaskAnswer": record(
        "The answer of a completed task",
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
        "A task as a row of a list", {**_SUMMARY, "error": or_null(doc(TEXT, "One sentence"))}
    ),
    "Task": record(
        "A task with all its details",
        {
            **_SUMMARY,
            "input": doc(ANYTHING, "The input with defaults, without secrets"),
            "metadata": {"type": "object"},
            "timeout_s": doc({"type": "number"}, "Time limit of one attempt, in seconds"),
            "wait_s": or_null(
                doc(
                    {"type": "number"},
                    "Seconds that the task may wait, if the submission sets them",
                )
            ),
            "attempts": list_of(ref("Attempt")),
            "steps": list_of(ref("Step")),
            "artifacts": list_of(ref("Artifact")),
            "traffic": or_null(ref("Traffic")),
            "lost_starts": doc(
                WHOLE,
                "Earlier runs that a crash of their node ended; `attempts` does not contain them",
            ),
            "deliveries": doc(list_of(ref("DeliveryAttempt")), "Attempts at the task's webhook"),
            "result": doc(ANYTHING, "The function's return value; null unless completed"),
            "error": or_null(ref("Problem")),
        },
    ),
    "Traffic": record(
        "What a task's pages moved over the network; null if no page used the traffic guard",
        {
            "received_bytes": doc(WHOLE, "Bytes from targets, TLS included"),
            "sent_bytes": doc(WHOLE, "Bytes to targets, TLS included"),
            "connections": doc(WHOLE, "Connections to targets"),
        },
    ),
    "TaskDocument": record("", {"task": ref("Task")}),
    "TaskList": page_of("tasks", ref("TaskSummary")),
    "Attempt": record(
        "One run of a task",
        {
            "number": {"type": "integer", "minimum": 1},
            "worker": TEXT,
            "pool": doc(or_null(TEXT), "Null for a task without a slot"),
            "slot": doc(
                or_null(WHOLE), "Its number in the pool, from 0; null until the worker reports it"
            ),
            "started_at": MOMENT,
            "ended_at": or_null(MOMENT),
            "error": or_null(ref("Problem")),
        },
    ),
    "Step": record(
        "One part of a task, such as a function that it called",
        {
            "name": TEXT,
            "function": doc(TEXT, "The function that it runs, or that has it if it is an action"),
            "action": doc(or_null(TEXT), "The action that it runs"),
            "status": {"type": "string", "enum": [str(state) for state in StepState]},
            "worker": doc(or_null(TEXT), "The node on which it runs; null before its start"),
            "started_at": doc(or_null(MOMENT), "Null before its start"),
            "ended_at": or_null(MOMENT),
            "input": doc(ANYTHING, "Without secrets; null if it is too large to be kept"),
            "output": doc(ANYTHING, "A flow shows `{task, url, size}` in place of one above 64 KB"),
            "error": or_null(TEXT),
            "task": or_null(doc(TASK_ID, "The task that a flow's step is; null before its start")),
        },
        optional=("task",),
    ),
    "Artifact": record(
        "A file that a task saved",
        {
            "name": TEXT,
            "size": doc(WHOLE, "Bytes"),
            "content_type": TEXT,
            "url": doc(TEXT, "Path of the file at this node"),
        },
    ),
    "ArtifactList": page_of("artifacts", ref("Artifact")),
    "LogLine": record(
        "One line of a task's log",
        {
            "ts": MOMENT,
            "stream": doc(TEXT, "`stdout` or `stderr`"),
            "step": doc(TEXT, "The step that wrote the line; `_node` is the node itself"),
            "line": TEXT,
        },
    ),
    "Accepted": record("A durable task is recorded", {"success": SUCCESS, **_STATE_OF_ACCEPTED}),
    "BatchAccepted": record(
        "Every task is recorded",
        {
            "success": SUCCESS,
            "tasks": doc(list_of(record("", _STATE_OF_ACCEPTED)), "In the order of the request"),
        },
    ),
    "DeliveryAttempt": record(
        "One attempt at a task's webhook",
        {
            "number": {"type": "integer", "minimum": 1},
            "at": MOMENT,
            "duration_ms": MILLISECONDS,
            "status": or_null(doc(WHOLE, "The HTTP status of the receiver's answer")),
            "error": or_null(TEXT),
        },
    ),
    "Redelivering": record(
        "The webhook is due again", {"success": SUCCESS, "id": TASK_ID, "status": STATUS}
    ),
    "Cancelled": record(
        "The task has ended", {"success": SUCCESS, "id": TASK_ID, "status": STATUS}
    ),
    "BulkCancelled": record("", {"success": SUCCESS, "cancelled": WHOLE, "ids": list_of(TASK_ID)}),
}
