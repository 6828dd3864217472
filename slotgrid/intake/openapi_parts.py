"""Bodies, parameters and answers for the descriptions of handlers; and all fixed components."""

from collections.abc import Mapping

from slotgrid.core.schema import JsonSchema
from slotgrid.core.task_states import TaskState
from slotgrid.intake.openapi import Answer, Parameter
from slotgrid.intake.schemas import events, node, problems, submission, tasks
from slotgrid.intake.schemas.basics import FLAG, MOMENT, SEARCHED, TEXT, ref
from slotgrid.intake.schemas.basics import TASK_ID as UUID

JSON = "application/json"
ITEM = "x-itemSchema"
"""The schema of each item of a stream: `itemSchema` in OpenAPI 3.2; 3.1 has no equivalent."""

COMPONENTS: Mapping[str, JsonSchema] = {
    "Submission": submission.SUBMISSION,
    "Batch": submission.BATCH,
    **tasks.COMPONENTS,
    **events.COMPONENTS,
    **node.COMPONENTS,
    **problems.COMPONENTS,
}
"""All components except those made from the functions, which `openapi_document` adds."""

SUBMISSION: Mapping[str, JsonSchema] = {JSON: ref("Submission")}
FUNCTION_INPUT: Mapping[str, JsonSchema] = {JSON: ref("FunctionInput")}
BATCH: Mapping[str, JsonSchema] = {JSON: ref("Batch")}
DRAIN: Mapping[str, JsonSchema] = {JSON: ref("Drain")}

NUMBER_MOST = 2**31 - 1
"""The largest number in a query: every database can store it in a column."""
_EVENT_ID: JsonSchema = {"type": "integer", "minimum": 0, "maximum": 2**53 - 1}
_STATES = "|".join(TaskState)

FUNCTION_NAME = Parameter(
    "name", "The function's name; it may contain slashes", ref("FunctionName"), "path"
)
FUNCTION_FILTERS: tuple[Parameter, ...] = (
    Parameter("group", "The group that serves the function", SEARCHED),
    Parameter(
        "contract",
        "The version of the group",
        {"type": "integer", "minimum": 1, "maximum": NUMBER_MOST},
    ),
)
TASK_ID = Parameter("id", "The task", UUID, "path")
STEP_NAME = Parameter(
    "step", "The step's name; `_node` is the node's own record of the task", TEXT, "path"
)
ARTIFACT_NAME = Parameter(
    "name", "The file's name, percent-encoded as in `url` of the artifact", TEXT, "path"
)

SUBMISSION_QUERY: tuple[Parameter, ...] = tuple(
    Parameter(name, str(schema["description"]), schema, as_json=schema["type"] == "object")
    for name, schema in submission.FIELDS.items()
)
IDEMPOTENCY_KEY = Parameter(
    "Idempotency-Key",
    "A repeated request with the same key and body gets the same task; with another body 409. "
    "In durable modes for 24 hours, else for as long as this node keeps the task in memory",
    {"type": "string", "minLength": 1, "maxLength": 255},
    "header",
)
TRACE_HEADERS: tuple[Parameter, ...] = (
    Parameter("traceparent", "Passed on to the function (W3C Trace Context)", TEXT, "header"),
    Parameter("tracestate", "Passed on to the function", TEXT, "header"),
)
TASK_FILTERS: tuple[Parameter, ...] = (
    Parameter(
        "status",
        "One or more states, separated by commas",
        {
            "type": "string",
            "pattern": f"^({_STATES})( *, *({_STATES}))*$",
            "description": f"one or more of {_STATES.replace('|', ', ')}, separated by commas",
        },
    ),
    Parameter("function", "The function's name", SEARCHED),
    Parameter("group", "The group", SEARCHED),
    Parameter("worker", "The worker of its last attempt", SEARCHED),
    Parameter("owner", "The user who submitted it", SEARCHED),
    Parameter("source", "What started the task", tasks.SOURCE_KIND),
    Parameter(
        "delivery",
        "The state of a durable task's webhook",
        {"type": "string", "enum": list(tasks.DELIVERY_STATES)},
    ),
    Parameter("schedule", "The schedule that started it", SEARCHED),
    Parameter("parent", "The flow whose steps' tasks to list; else they are left out", SEARCHED),
    Parameter("since", "Created at this time or later", MOMENT),
    Parameter("until", "Created before this time", MOMENT),
    Parameter("q", "Part of the id, of the function's name, or of the error", SEARCHED),
)
PAGING: tuple[Parameter, ...] = (
    Parameter(
        "limit",
        "The largest number of items in the page",
        {"type": "integer", "minimum": 1, "maximum": 1000, "default": 50},
    ),
    Parameter(
        "offset",
        "The number of items before the page",
        {"type": "integer", "minimum": 0, "maximum": NUMBER_MOST, "default": 0},
    ),
)
WAIT_S = Parameter(
    "wait_s",
    "Answer when the task has finished, at the latest after this many seconds",
    {"type": "number", "minimum": 0, "maximum": 300},
)
LAST_EVENT_ID = Parameter(
    "Last-Event-ID",
    "Resume after this event",
    _EVENT_ID,
    "header",
)
LAST_EVENT_ID_QUERY = Parameter(
    "last_event_id",
    "The same as the header `Last-Event-ID`, for callers that cannot set headers",
    _EVENT_ID,
)
FEED_FILTERS: tuple[Parameter, ...] = (
    Parameter("owner", "Tasks of this user", SEARCHED),
    Parameter("function", "Tasks of this function", SEARCHED),
    Parameter("group", "Tasks of this group's functions", SEARCHED),
    Parameter("worker", "Attempts on this worker", SEARCHED),
    Parameter("pool", "Attempts in this pool", SEARCHED),
    Parameter(
        "slot",
        "Attempts on the slot of this number in its pool",
        {"type": "integer", "minimum": 0, "maximum": NUMBER_MOST},
    ),
    Parameter("parent", "Tasks of the steps of this flow's task", UUID),
)
FOLLOW = Parameter("follow", "Keep the answer open for new lines", FLAG)

CHANGES: JsonSchema = {"type": "string", ITEM: ref("TaskChange")}
EVENTS: JsonSchema = {"type": "string", ITEM: ref("StreamEvent")}
TASK_ANSWERS: Mapping[int, Answer] = {
    200: Answer(
        "The result; in mode `stream` the task's events, then the result, in the format that "
        "`Accept` requests. A comment line every 15 s keeps server-sent events alive",
        {
            JSON: ref("TaskAnswer"),
            "text/event-stream": {**EVENTS, "examples": [events.AS_SSE]},
            "application/x-ndjson": {**EVENTS, "examples": [events.AS_NDJSON]},
            "text/plain": {
                **TEXT,
                "description": "The chunks alone; after a failure, a last line `error: …`",
            },
        },
        {"Content-Location": "Of a stream: the task's own address"},
    ),
    202: Answer(
        "Modes `webhook` and `async`: the task is recorded, and survives a crash of the node",
        {JSON: ref("Accepted")},
        {"Location": "The task's own address"},
    ),
}
NOT_CHANGED = Answer("Not changed since the version that the caller has")
FILE_ANSWERS: Mapping[int, Answer] = {
    206: Answer("The range that `Range` requests", {"*/*": TEXT}),
    304: NOT_CHANGED,
    412: Answer("The file does not match `If-Match`"),
    416: Answer("The range lies outside of the file"),
}
LOG_LINES: JsonSchema = {"type": "string", ITEM: ref("LogLine")}

TASK = ref("TaskDocument")
TASK_LIST = ref("TaskList")
CANCELLED = ref("Cancelled")
REDELIVERING = ref("Redelivering")
BATCH_ACCEPTED = ref("BatchAccepted")
BULK_CANCELLED = ref("BulkCancelled")
ARTIFACT_LIST = ref("ArtifactList")
MOUNT_LISTING = ref("MountListing")
FUNCTION = ref("Function")
FUNCTION_LIST = ref("FunctionList")
GROUP_LIST = ref("GroupList")
USER_LIST = ref("UserList")
HEALTH = ref("Health")
LOGS = ref("NodeLogs")
NODE_STATUS = ref("NodeStatus")
ALIVE = ref("Alive")
