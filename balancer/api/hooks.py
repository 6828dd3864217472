"""`/hooks` and below: tasks that requests without a key start."""

import asyncio

from aiohttp import web
from aiohttp_apispec import docs

from balancer.api import hook_schemas as d
from balancer.app_keys import HOOKS
from balancer.hooks.hook import Hook, Verify
from balancer.hooks.hook_input import input_of
from balancer.hooks.hooks import refused
from balancer.hooks.signatures import IDS, is_signed, shows_secret
from slotgrid.core.errors import (
    BodyTooLarge,
    Conflict,
    ContractMismatch,
    DatabaseUnavailable,
    Draining,
    Forbidden,
    FunctionFailed,
    InMaintenance,
    InvalidInput,
    InvalidSubmission,
    ModeUnsupported,
    NoWorker,
    QueueFull,
    ServiceError,
    Unauthorized,
    UnknownFunction,
    UnknownGroup,
    UnsupportedMediaType,
)
from slotgrid.core.principal import Principal, Scope
from slotgrid.core.problem_decoding import from_problem
from slotgrid.core.task import Task
from slotgrid.core.task_parts import Source
from slotgrid.intake.framing import json_response
from slotgrid.intake.modes import accepted, terminal
from slotgrid.intake.node_parts import NODE
from slotgrid.intake.openapi import json_answer
from slotgrid.intake.problems import problem_response
from slotgrid.intake.raw_body import read_body
from slotgrid.intake.server_connections import key_shown
from slotgrid.intake.submission_headers import LENGTH_MOST
from slotgrid.tasks.in_memory_idempotency import hash_of
from slotgrid.tasks.receipt import Receipt

BODY_MOST = 1_000_000
"""Bytes of a body."""
BODY_WITHIN_S = 5.0
"""Seconds for a body: a sender has shown nothing yet that is worth a wait."""
ANSWER_WITHIN_S = 30.0
"""Seconds that a sender waits for a result; most senders give up earlier."""


@docs(
    summary="List the hooks of `hooks.yaml`, with what became of their calls",
    tags=["hooks"],
    scope=Scope.OPERATE,
    responses={200: json_answer("The hooks, by name", d.HOOK_LIST)},
)
async def list_hooks(request: web.Request) -> web.Response:
    """`GET /hooks`."""
    hooks = request.config_dict[HOOKS].list()
    return json_response({"hooks": hooks, "total": len(hooks)})


@docs(
    summary="Start the task of a hook",
    tags=["hooks"],
    scope=Scope.PUBLIC,
    description="Requires the hook's own signature or secret instead of a key. Text is taken, too. "
    "A repetition of a call answers with the same task.",
    parameters=(d.HOOK_NAME,),
    body=d.ANY_BODY,
    body_required=False,
    responses={
        200: json_answer("With mode `sync`: the result", d.RESULT),
        202: d.ACCEPTED,
    },
    problems=(
        Unauthorized,
        Forbidden,
        BodyTooLarge,
        InvalidSubmission,
        InvalidInput,
        UnsupportedMediaType,
        ContractMismatch,
        ModeUnsupported,
        UnknownFunction,
        UnknownGroup,
        Conflict,
        FunctionFailed,
        NoWorker,
        InMaintenance,
        Draining,
        QueueFull,
        DatabaseUnavailable,
    ),
)
async def call_hook(request: web.Request) -> web.Response:
    """`POST /hooks/{name}`: check the sender, record the task, and answer in the hook's mode."""
    hooks, name = request.config_dict[HOOKS], request.match_info["name"]
    try:
        hook, body = await _from_sender(request)
        if hook.verify is Verify.GITHUB and request.headers.get("X-GitHub-Event") == "ping":
            hooks.count(name, "ping")
            return json_response({"success": True})
        if (fault := hooks.fault_of(hook)) is not None:
            raise Forbidden(f"the hook starts nothing: {fault}")
        receipt = await _start(request, hook, body)
    except ServiceError as refusal:
        hooks.count_refusal(name, refusal)
        raise
    hooks.count(name, "accepted", task_id=receipt.id)
    if not hook.waits:
        return accepted(receipt)
    return await _result(request, hook, receipt)


async def _from_sender(request: web.Request) -> tuple[Hook, bytes]:
    """The hook and the body, once the sender is known. Raises Unauthorized or BodyTooLarge."""
    hooks, name = request.config_dict[HOOKS], request.match_info["name"]
    hook = hooks.find(name)
    if hook is None or not shows_secret(hook, request.headers):
        raise refused(name)
    async with hooks.receiving():
        try:
            async with asyncio.timeout(BODY_WITHIN_S):
                body = await read_body(request, most=BODY_MOST)
        except TimeoutError:
            raise InvalidSubmission(f"the body did not arrive within {BODY_WITHIN_S:g} s") from None
    if not is_signed(hook, request.headers, body):
        raise refused(name)
    key_shown(request)
    return hook, body


async def _start(request: web.Request, hook: Hook, body: bytes) -> Receipt:
    """Record the task of one call. Raises the reason of a refusal."""
    input_ = input_of(
        hook,
        request.method,
        request.headers,
        request.query,
        body,
        content_type=request.content_type if "Content-Type" in request.headers else None,
        charset=request.charset,
    )
    receipt: Receipt = await request.config_dict[NODE].tasks.submit(
        Principal(hook.owner),
        hook.submission(input_, size=len(body)),
        key=_key(request, hook),
        body_hash=hash_of(body.hex()),
        source=Source("hook", hook.name),
    )
    return receipt


def _key(request: web.Request, hook: Hook) -> str | None:
    """The idempotency key of a call: its repetitions have the same. Raises InvalidSubmission."""
    delivery = request.headers.get(IDS[hook.verify])
    if delivery is None:
        return None
    key = f"hook:{hook.name}:{delivery}"
    if len(delivery) > LENGTH_MOST or not delivery.isprintable():
        raise InvalidSubmission(
            f"{IDS[hook.verify]}: expected 1 to {LENGTH_MOST} printable characters"
        )
    return key


async def _result(request: web.Request, hook: Hook, receipt: Receipt) -> web.Response:
    """The result if the task ends in time; else that it is recorded."""
    tasks = request.config_dict[NODE].tasks
    found = await tasks.wait(Principal(hook.owner), receipt.id, ANSWER_WITHIN_S)
    if not found.state.terminal:
        return accepted(Receipt(found.id, found.state, receipt.queue_position))
    if isinstance(found, Task):
        return terminal(found)
    if (error := found.detail.get("error")) is not None:
        return problem_response(from_problem(error))
    of_task = ("id", "result", "worker", "queued_ms", "run_ms")
    return json_response({"success": True, **{name: found.detail[name] for name in of_task}})
