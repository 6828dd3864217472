"""The node itself: health, log, metrics, and the operations that change its state."""

import orjson
from aiohttp import web
from aiohttp_apispec import docs

from slotgrid.core.errors import Conflict, InvalidSubmission, NoWorker
from slotgrid.core.node_state import NodeState
from slotgrid.core.principal import Scope
from slotgrid.core.schema import Schema
from slotgrid.intake import openapi_parts as d
from slotgrid.intake.audit import audit
from slotgrid.intake.auth import PRINCIPAL
from slotgrid.intake.json_body import read_json
from slotgrid.intake.node_parts import NODE
from slotgrid.intake.openapi import Answer, Parameter, json_answer
from slotgrid.intake.query import bad_parameter, whole
from slotgrid.intake.schemas import node as node_schemas
from slotgrid.runtime.setting_choices import LogLevel

ALIVE = b'{"status":"alive"}'
"""The body of `GET /livez`."""
DRAIN = Schema(node_schemas.COMPONENTS["Drain"])
LOG_FILTERS: tuple[Parameter, ...] = (
    Parameter("level", "The lowest level", {"type": "string", "enum": [*LogLevel]}),
    Parameter(
        "limit",
        "The number of lines, counted from the last; all kept lines when omitted",
        {"type": "integer", "minimum": 1, "maximum": d.NUMBER_MOST},
    ),
)


def _json(value: object) -> web.Response:
    return web.Response(body=orjson.dumps(value), content_type="application/json")


@docs(
    summary="The node's status; with a key, in detail",
    tags=["node"],
    scope=Scope.PUBLIC,
    responses={200: json_answer("The status of the node", d.HEALTH)},
    more_with_key=True,
)
async def health(request: web.Request) -> web.Response:
    """`GET /health`: always 200; the state is in the body."""
    node = request.config_dict[NODE]
    status = {"status": node.status.state}
    detail = node.health() if request[PRINCIPAL].may(Scope.READ) else {}
    return _json(status | dict(detail))


@docs(
    summary="Liveness of the process",
    tags=["node"],
    scope=Scope.PUBLIC,
    responses={200: json_answer("The event loop runs", d.ALIVE)},
)
async def livez(_: web.Request) -> web.Response:
    """`GET /livez`."""
    return web.Response(body=ALIVE, content_type="application/json")


@docs(
    summary="Readiness: whether the node accepts tasks",
    tags=["node"],
    scope=Scope.PUBLIC,
    responses={
        200: json_answer("The node accepts tasks", d.NODE_STATUS),
        503: json_answer("The node does not accept tasks; the status is the reason", d.NODE_STATUS),
    },
)
async def readyz(request: web.Request) -> web.Response:
    """`GET /readyz`."""
    state = request.config_dict[NODE].status.state
    body = orjson.dumps({"status": state})
    status = 200 if state is NodeState.READY else 503
    return web.Response(status=status, body=body, content_type="application/json")


@docs(
    summary="Prometheus metrics",
    tags=["node"],
    scope=Scope.READ,
    responses={200: Answer("The text format of Prometheus", {"text/plain": {"type": "string"}})},
)
async def metrics(request: web.Request) -> web.Response:
    """`GET /metrics`."""
    text, content_type = request.config_dict[NODE].metrics()
    return web.Response(body=text, headers={"Content-Type": content_type})


@docs(
    summary="The last log lines of the node",
    tags=["node"],
    scope=Scope.OPERATE,
    parameters=LOG_FILTERS,
    responses={200: json_answer("The lines, oldest first", d.LOGS)},
    problems=(InvalidSubmission,),
)
async def logs(request: web.Request) -> web.Response:
    """`GET /logs`."""
    level, limit = requested_level(request), requested_lines(request)
    return _json({"logs": request.config_dict[NODE].logs.entries(level, limit)})


@docs(
    summary="End maintenance: accept tasks again",
    tags=["node"],
    scope=Scope.OPERATE,
    responses={200: json_answer("The node accepts tasks", d.NODE_STATUS)},
    problems=(Conflict, NoWorker),
)
async def switch_on(request: web.Request) -> web.Response:
    """`POST /on`, idempotent."""
    node = request.config_dict[NODE]
    if node.status.state is NodeState.STARTING:
        raise NoWorker("the node is still starting", retry_after_s=1, reason="starting")
    changed = node.status.move_to(NodeState.READY)
    audit(request, "on", changed=changed)
    node.dispatcher.wake()
    return _switched(
        node.status.state, "accepts tasks again" if changed else "already accepts tasks"
    )


@docs(
    summary="Begin maintenance: refuse new tasks, finish the ones in the node",
    tags=["node"],
    scope=Scope.OPERATE,
    responses={200: json_answer("The node refuses new tasks", d.NODE_STATUS)},
    problems=(Conflict,),
)
async def switch_off(request: web.Request) -> web.Response:
    """`POST /off`, idempotent; queued and running tasks finish."""
    node = request.config_dict[NODE]
    changed = node.status.move_to(NodeState.MAINTENANCE)
    audit(request, "off", changed=changed)
    left = len(node.supervisor.live)
    message = "already is in maintenance" if not changed else "refuses new tasks"
    return _switched(node.status.state, f"{message}; tasks still to finish: {left}")


@docs(
    summary="Drain: finish the tasks of the node within a deadline, then exit",
    tags=["node"],
    scope=Scope.OPERATE,
    body=d.DRAIN,
    body_required=False,
    responses={200: json_answer("The node drains", d.NODE_STATUS)},
    problems=(InvalidSubmission,),
)
async def drain(request: web.Request) -> web.Response:
    """`POST /drain {deadline_s?}`, idempotent."""
    node = request.config_dict[NODE]
    deadline_s = await requested_deadline_s(request)
    audit(request, "drain", deadline_s=deadline_s)
    node.status.move_to(NodeState.DRAINING)  # before the answer: no task is accepted after it
    node.drain(deadline_s)
    left = len(node.supervisor.live)
    return _switched(
        node.status.state, f"exits when its tasks have finished; tasks still to finish: {left}"
    )


def _switched(state: NodeState, message: str) -> web.Response:
    return _json({"status": state, "message": message})


def requested_level(request: web.Request) -> LogLevel:
    """The minimum log level in the query. Raises InvalidSubmission."""
    text = request.query.get("level", LogLevel.DEBUG)
    try:
        return LogLevel(text)
    except ValueError:
        expected = ", ".join(LogLevel)
        raise bad_parameter("level", f"expected one of {expected}, got {text!r}") from None


def requested_lines(request: web.Request) -> int:
    """The maximum number of lines in the query."""
    return whole(request, "limit", d.NUMBER_MOST)


async def requested_deadline_s(request: web.Request) -> float | None:
    """The deadline in the body of a drain; None: the node's setting. Raises InvalidSubmission."""
    body, _ = await read_json(request, empty={})
    faults = DRAIN.violations(body)
    if faults:
        raise InvalidSubmission(f"{faults[0].pointer}: {faults[0].message}", errors=faults)
    deadline_s: float | None = body.get("deadline_s")
    return deadline_s
