"""`POST /task` and `POST /functions/{name}`: run a function."""

from aiohttp import web

from slotgrid.core.admission import CheckedInput
from slotgrid.core.errors import (
    BrowserCrashed,
    Conflict,
    ContractMismatch,
    DatabaseUnavailable,
    DeadlineExceeded,
    Draining,
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
from slotgrid.core.parts import API, Source
from slotgrid.core.principal import Scope
from slotgrid.core.submission import Submission
from slotgrid.intake import documents as d
from slotgrid.intake.auth import PRINCIPAL
from slotgrid.intake.body import off_loop, read_json
from slotgrid.intake.large_input import checked_early
from slotgrid.intake.modes import EVENT_STREAM, answer
from slotgrid.intake.node import NODE
from slotgrid.intake.openapi import Endpoint, endpoint

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


@endpoint(
    Endpoint(
        summary="Run a function",
        tag="tasks",
        scope=Scope.SUBMIT,
        body=d.SUBMISSION,
        parameters=(d.IDEMPOTENCY_KEY, *d.TRACE_HEADERS),
        answers=d.TASK_ANSWERS,
        problems=OUTCOMES,
    )
)
async def submit(request: web.Request) -> web.StreamResponse:
    """`POST /task`: check, queue, run and answer in the mode asked for."""
    body, size, shallow = await read_json(request)
    submission = await off_loop(
        size, Submission.parse, body, trace=trace_of(request), size=size, shallow=shallow
    )
    return await run(request, submission)


@endpoint(
    Endpoint(
        summary="Run a function, with the body as its input",
        tag="tasks",
        scope=Scope.SUBMIT,
        body=d.FUNCTION_INPUT,
        body_required=False,
        parameters=(
            d.FUNCTION_NAME,
            *d.SUBMISSION_QUERY,
            d.IDEMPOTENCY_KEY,
            *d.TRACE_HEADERS,
        ),
        answers=d.TASK_ANSWERS,
        problems=OUTCOMES,
        query_is_fields=True,
    )
)
async def submit_to_function(request: web.Request) -> web.StreamResponse:
    """`POST /functions/{name}`: the other fields stand in the query."""
    input_, size, _ = await read_json(request, empty={})
    query = dict(request.query)
    if "mode" not in query and EVENT_STREAM in request.headers.get("Accept", ""):
        query["mode"] = Mode.STREAM
    name = request.match_info["name"]
    submission = await off_loop(
        size, Submission.from_query, name, input_, query, trace=trace_of(request), size=size
    )
    return await run(request, submission)


async def run(
    request: web.Request, submission: Submission, source: Source = API
) -> web.StreamResponse:
    """Admit the submission as the caller's own, run it, and answer in its mode."""
    node = request.config_dict[NODE]
    owner = request[PRINCIPAL].name
    try:
        checked = await checked_early(node, submission, submission.size)
    except ServiceError as refusal:
        node.refused(refusal.name)
        raise
    try:
        task = node.admission.admit(submission, owner=owner, source=source, checked=checked)
    except NoWorker as refusal:
        if refusal.may_return_s > 0:
            return await _run_once_back(request, submission, source, checked)
        node.refused(refusal.name)
        raise
    except ServiceError as refusal:
        node.refused(refusal.name)
        raise
    return await answer(node, task, request)


async def _run_once_back(
    request: web.Request, submission: Submission, source: Source, checked: CheckedInput | None
) -> web.StreamResponse:
    """As `run`, for a submission whose workers have just been lost and may be back in a moment."""
    node = request.config_dict[NODE]
    try:
        task = await node.admission.admit_within(
            submission, owner=request[PRINCIPAL].name, source=source, checked=checked
        )
    except ServiceError as refusal:
        node.refused(refusal.name)
        raise
    return await answer(node, task, request)


def trace_of(request: web.Request) -> tuple[tuple[str, str], ...]:
    """The headers that are carried through."""
    headers = request.headers
    if "traceparent" not in headers and "tracestate" not in headers:
        return ()
    return tuple((name, headers[name]) for name in ("traceparent", "tracestate") if name in headers)
