"""`POST /tasks`: submits many durable tasks atomically, all or none."""

from collections.abc import Sequence
from typing import Any

from aiohttp import web
from aiohttp_apispec import docs

from slotgrid.core.errors import (
    Conflict,
    DatabaseUnavailable,
    Draining,
    InMaintenance,
    InvalidSubmission,
    NoWorker,
    QueueFull,
    Violation,
    pointer,
)
from slotgrid.core.principal import Scope
from slotgrid.intake import openapi_parts as d
from slotgrid.intake.auth import PRINCIPAL
from slotgrid.intake.framing import json_response
from slotgrid.intake.json_body import read_json
from slotgrid.intake.node_parts import NODE
from slotgrid.intake.openapi import json_answer
from slotgrid.intake.submission_headers import idempotency_key, trace_of
from slotgrid.tasks.bulk import no_list


@docs(
    summary="Accept many durable tasks, all or none",
    tags=["tasks"],
    scope=Scope.SUBMIT,
    description="An item without `mode` is `webhook` if it has a `webhook`, else `async`. A "
    "fault in any item refuses all of them; `errors` names each fault, as "
    "`/tasks/3/input/url`. If only workers are missing, the problem is `no-worker`, and the "
    "same request may succeed later. An `Idempotency-Key` covers the whole list.",
    body=d.BATCH,
    parameters=(d.IDEMPOTENCY_KEY, *d.TRACE_HEADERS),
    responses={202: json_answer("All tasks are recorded", d.BATCH_ACCEPTED)},
    problems=(
        InvalidSubmission,
        Conflict,
        InMaintenance,
        Draining,
        NoWorker,
        QueueFull,
        DatabaseUnavailable,
    ),
)
async def submit_many(request: web.Request) -> web.Response:
    """`POST /tasks`."""
    key = idempotency_key(request)
    body, size = await read_json(request)
    receipts = await request.config_dict[NODE].tasks.submit_many(
        request[PRINCIPAL], _items(body), key=key, trace=trace_of(request), size=size
    )
    accepted = [receipt.to_json() for receipt in receipts]
    return json_response({"success": True, "tasks": accepted}, status=202)


def _items(body: Any) -> Sequence[Any]:
    """The submissions of the body. Raises InvalidSubmission."""
    if not isinstance(body, dict):
        fault = Violation("", "expected an object with `tasks`")
        raise InvalidSubmission(f"the body: {fault.message}", errors=[fault])
    if (unknown := next((name for name in body if name != "tasks"), None)) is not None:
        fault = Violation(pointer([unknown]), "unknown field; there is only `tasks`")
        raise InvalidSubmission(f"{fault.pointer}: {fault.message}", errors=[fault])
    items = body.get("tasks")
    if not isinstance(items, list):
        raise no_list()
    return items
