"""`POST /tasks`: many durable tasks at once, all of them or none."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from slotgrid.core.errors import (
    FAULTS_LIMIT,
    Conflict,
    ContractMismatch,
    DatabaseUnavailable,
    Draining,
    InMaintenance,
    InvalidInput,
    InvalidSubmission,
    ModeUnsupported,
    NoWorker,
    QueueFull,
    ServiceError,
    UnknownFunction,
    UnknownGroup,
    Violation,
    pointer,
)
from slotgrid.core.fields import Mode
from slotgrid.core.parts import API
from slotgrid.core.principal import Scope
from slotgrid.core.submission import Submission
from slotgrid.core.task import Task
from slotgrid.intake import documents as d
from slotgrid.intake.accepted import accept
from slotgrid.intake.api.submit import trace_of
from slotgrid.intake.auth import PRINCIPAL
from slotgrid.intake.body import off_loop, read_json
from slotgrid.intake.finding import json_response
from slotgrid.intake.idempotency import hash_of, idempotency_key
from slotgrid.intake.large_input import checked_early
from slotgrid.intake.node import NODE, Node
from slotgrid.intake.openapi import Endpoint, endpoint, json_answer

TASKS_MOST = d.BATCH_MOST
AT_ONCE = 20
"""Items checked before others get their turn of the loop: a large batch delays nobody for long."""

AT: Mapping[type[ServiceError], str] = {
    UnknownFunction: "/function",
    UnknownGroup: "/group",
    ContractMismatch: "/contract",
    ModeUnsupported: "/mode",
    NoWorker: "/place",
}
"""The field that is at fault where the error itself names none."""


@endpoint(
    Endpoint(
        summary="Accept many durable tasks, all or none",
        tag="tasks",
        scope=Scope.SUBMIT,
        description="An item without `mode` is `webhook` if it has a `webhook`, else `async`. One "
        "fault in one item refuses all of them; `errors` names each, as `/tasks/3/input/url`. An "
        "`Idempotency-Key` stands for the whole list.",
        body=d.BATCH,
        parameters=(d.IDEMPOTENCY_KEY, *d.TRACE_HEADERS),
        answers={202: json_answer("Every one is recorded", d.BATCH_ACCEPTED)},
        problems=(
            InvalidSubmission,
            Conflict,
            InMaintenance,
            Draining,
            QueueFull,
            DatabaseUnavailable,
        ),
    )
)
async def submit_many(request: web.Request) -> web.Response:
    """`POST /tasks`."""
    node = request.config_dict[NODE]
    key = idempotency_key(request)
    body, size, _ = await read_json(request)
    try:
        items = _items(body)
        tasks = await _admitted(
            node,
            items,
            owner=request[PRINCIPAL].name,
            trace=trace_of(request),
            size=size,
        )
        answers = await accept(node, tasks, _keys(key, len(tasks)), [hash_of(body)] * len(tasks))
    except ServiceError as refusal:
        node.refused(refusal.name)
        raise
    return json_response({"success": True, "tasks": answers}, status=202)


def _keys(key: str | None, count: int) -> list[str | None]:
    """A key for each item. A header holds no line break, so no caller's own key is among them."""
    return [None if key is None else f"{key}\n{number}" for number in range(count)]


def _items(body: Any) -> Sequence[Any]:
    """The submissions as they came. Raises InvalidSubmission."""
    fault = None
    if not isinstance(body, dict):
        fault = Violation("", "expected an object with `tasks`")
    elif (unknown := next((name for name in body if name != "tasks"), None)) is not None:
        fault = Violation(pointer([unknown]), "unknown field; there is only `tasks`")
    elif not isinstance(items := body.get("tasks"), list) or not 1 <= len(items) <= TASKS_MOST:
        fault = Violation("/tasks", f"expected an array of 1 to {TASKS_MOST} submissions")
    else:
        return items
    raise InvalidSubmission(f"{fault.pointer or 'the body'}: {fault.message}", errors=[fault])


async def _admitted(
    node: Node,
    items: Sequence[Any],
    *,
    owner: str,
    trace: tuple[tuple[str, str], ...],
    size: int,
) -> list[Task]:
    """A task of each item. Raises InvalidSubmission with the faults of all of them."""
    node.status.check_accepts()
    tasks, faults = [], []
    share = size // len(items)
    for number, item in enumerate(items):
        if number % AT_ONCE == AT_ONCE - 1:
            await asyncio.sleep(0)
        try:
            submission = await off_loop(
                size, Submission.parse, _durable(item), trace=trace, size=share
            )
            _check_durable(submission)
            tasks.append(
                await node.admission.admit_within(
                    submission,
                    owner=owner,
                    source=API,
                    checked=await checked_early(node, submission, size),
                )
            )
        except (InMaintenance, Draining):
            raise
        except ServiceError as refusal:
            faults += _placed(refusal, number)
        if len(faults) >= FAULTS_LIMIT:
            break
    if faults:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        message = f"{faults[0].pointer}: {faults[0].message}{more}"
        raise InvalidSubmission(message, errors=faults[:FAULTS_LIMIT])
    return tasks


def _durable(item: Any) -> Any:
    """The item with its mode filled in: only durable ones can be among many."""
    if not isinstance(item, dict) or "mode" in item:
        return item
    return {**item, "mode": str(Mode.WEBHOOK if "webhook" in item else Mode.ASYNC)}


def _check_durable(submission: Submission) -> None:
    if not submission.mode.durable:
        message = f"expected {Mode.ASYNC} or {Mode.WEBHOOK}, got {submission.mode}"
        raise InvalidSubmission(message, errors=[Violation("/mode", message)])


def _placed(refusal: ServiceError, number: int) -> list[Violation]:
    """The faults of one item, with pointers from the root of the whole body."""
    at = f"/tasks/{number}"
    if isinstance(refusal, InvalidSubmission | InvalidInput) and refusal.errors:
        return [Violation(at + fault.pointer, fault.message) for fault in refusal.errors]
    return [Violation(at + AT.get(type(refusal), ""), refusal.detail)]
