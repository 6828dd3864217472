"""`POST /task` and `POST /functions/{name}`: run a function."""

from aiohttp import web
from aiohttp_apispec import docs

from slotgrid.core.errors import (
    BrowserCrashed,
    Conflict,
    ContractMismatch,
    DatabaseUnavailable,
    DeadlineExceeded,
    Draining,
    ForbiddenAddress,
    FunctionFailed,
    Gone,
    InMaintenance,
    InvalidInput,
    InvalidSubmission,
    ModeUnsupported,
    NoWorker,
    OutputInvalid,
    QueueFull,
    ServiceError,
    TaskCancelled,
    UnknownFunction,
    UnknownGroup,
    WaitExceeded,
    WorkerLost,
)
from slotgrid.core.fields import Mode
from slotgrid.core.principal import Scope
from slotgrid.core.submission import Submission
from slotgrid.intake import openapi_parts as d
from slotgrid.intake.framing import EVENT_STREAM
from slotgrid.intake.json_body import read_json
from slotgrid.intake.modes import answer
from slotgrid.intake.submission_headers import trace_of
from slotgrid.tasks.large_input import off_loop

OUTCOMES: tuple[type[ServiceError], ...] = (
    InvalidSubmission,
    InvalidInput,
    ContractMismatch,
    ModeUnsupported,
    UnknownFunction,
    UnknownGroup,
    Conflict,
    TaskCancelled,
    Gone,
    ForbiddenAddress,
    FunctionFailed,
    OutputInvalid,
    BrowserCrashed,
    WorkerLost,
    InMaintenance,
    Draining,
    QueueFull,
    NoWorker,
    DatabaseUnavailable,
    WaitExceeded,
    DeadlineExceeded,
)


@docs(
    summary="Run a function",
    tags=["tasks"],
    scope=Scope.SUBMIT,
    body=d.SUBMISSION,
    parameters=(d.IDEMPOTENCY_KEY, *d.TRACE_HEADERS),
    responses=d.TASK_ANSWERS,
    problems=OUTCOMES,
)
async def submit(request: web.Request) -> web.StreamResponse:
    """`POST /task`: check, queue and run a task, and answer in its mode."""
    body, size = await read_json(request)
    submission = await off_loop(size, Submission.parse, body, trace=trace_of(request), size=size)
    return await answer(request, submission)


@docs(
    summary="Run a function, with the body as its input",
    tags=["tasks"],
    scope=Scope.SUBMIT,
    body=d.FUNCTION_INPUT,
    body_required=False,
    parameters=(
        d.FUNCTION_NAME,
        *d.SUBMISSION_QUERY,
        d.IDEMPOTENCY_KEY,
        *d.TRACE_HEADERS,
    ),
    responses=d.TASK_ANSWERS,
    problems=OUTCOMES,
    query_is_fields=True,
)
async def submit_to_function(request: web.Request) -> web.StreamResponse:
    """`POST /functions/{name}`: the body is the input, the query holds the other fields."""
    input_, size = await read_json(request, empty={})
    query = dict(request.query)
    if "mode" not in query and EVENT_STREAM in request.headers.get("Accept", ""):
        query["mode"] = Mode.STREAM
    name = request.match_info["name"]
    submission = await off_loop(
        size, Submission.from_query, name, input_, query, trace=trace_of(request), size=size
    )
    return await answer(request, submission)
