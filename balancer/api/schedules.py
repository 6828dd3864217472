"""`/schedules` and below: tasks that start by time."""

from typing import Any
from urllib.parse import quote

from aiohttp import web
from aiohttp_apispec import docs

from balancer.api import schedule_schemas as d
from balancer.app_keys import SCHEDULES
from slotgrid.core.errors import (
    Conflict,
    ContractMismatch,
    DatabaseUnavailable,
    Draining,
    InMaintenance,
    InvalidInput,
    InvalidSubmission,
    ModeUnsupported,
    NotFound,
    NoWorker,
    QueueFull,
    ServiceError,
    UnknownFunction,
    UnknownGroup,
)
from slotgrid.core.principal import Scope
from slotgrid.intake.audit import audit
from slotgrid.intake.auth import PRINCIPAL
from slotgrid.intake.framing import json_response
from slotgrid.intake.json_body import read_json
from slotgrid.intake.openapi import json_answer
from slotgrid.intake.openapi_parts import IDEMPOTENCY_KEY, PAGING
from slotgrid.intake.query import paging
from slotgrid.intake.submission_headers import idempotency_key

REFUSALS: tuple[type[ServiceError], ...] = (
    InvalidSubmission,
    InvalidInput,
    ContractMismatch,
    ModeUnsupported,
    UnknownFunction,
    UnknownGroup,
    Conflict,
    DatabaseUnavailable,
)
"""Why a schedule cannot be made: also the reasons why its task would be refused."""


@docs(
    summary="List schedules, by name",
    tags=["schedules"],
    scope=Scope.OPERATE,
    parameters=PAGING,
    responses={200: json_answer("A page of schedules, and their total", d.SCHEDULE_LIST)},
    problems=(InvalidSubmission, DatabaseUnavailable),
)
async def list_schedules(request: web.Request) -> web.Response:
    """`GET /schedules`."""
    limit, offset = paging(request)
    page, total = await request.config_dict[SCHEDULES].list(limit=limit, offset=offset)
    return json_response({"schedules": page, "total": total})


@docs(
    summary="Make a schedule",
    tags=["schedules"],
    scope=Scope.OPERATE,
    body=d.NEW_SCHEDULE,
    responses={201: json_answer("The new schedule", d.SCHEDULE)},
    problems=REFUSALS,
)
async def create_schedule(request: web.Request) -> web.Response:
    """`POST /schedules`."""
    body, _ = await read_json(request)
    made = await request.config_dict[SCHEDULES].create(request[PRINCIPAL], body)
    audit(request, "schedule.create", schedule=made["name"])
    answer = _answer(made, status=201)
    answer.headers["Location"] = f"/schedules/{quote(made['name'])}"
    return answer


@docs(
    summary="One schedule, with its history",
    tags=["schedules"],
    scope=Scope.OPERATE,
    parameters=(d.SCHEDULE_NAME,),
    responses={200: json_answer("The schedule", d.SCHEDULE)},
    problems=(NotFound, DatabaseUnavailable),
)
async def get_schedule(request: web.Request) -> web.Response:
    """`GET /schedules/{name}`."""
    return _answer(await request.config_dict[SCHEDULES].find(_name(request)))


@docs(
    summary="Replace a schedule, which the caller then owns",
    tags=["schedules"],
    scope=Scope.OPERATE,
    parameters=(d.SCHEDULE_NAME,),
    body=d.REPLACEMENT,
    responses={200: json_answer("The replaced schedule", d.SCHEDULE)},
    problems=(*REFUSALS, NotFound),
)
async def replace_schedule(request: web.Request) -> web.Response:
    """`PUT /schedules/{name}`."""
    body, _ = await read_json(request)
    name = _name(request)
    replaced = await request.config_dict[SCHEDULES].replace(request[PRINCIPAL], name, body)
    audit(request, "schedule.replace", schedule=name)
    return _answer(replaced)


@docs(
    summary="Remove a schedule and its history; its tasks stay",
    tags=["schedules"],
    scope=Scope.OPERATE,
    parameters=(d.SCHEDULE_NAME,),
    responses={200: json_answer("The schedule is removed", d.REMOVED)},
    problems=(NotFound, Conflict, DatabaseUnavailable),
)
async def remove_schedule(request: web.Request) -> web.Response:
    """`DELETE /schedules/{name}`."""
    name = _name(request)
    await request.config_dict[SCHEDULES].remove(name)
    audit(request, "schedule.remove", schedule=name)
    return json_response({"success": True, "name": name})


@docs(
    summary="Start the task of a schedule now; its next firing stays",
    tags=["schedules"],
    scope=Scope.OPERATE,
    parameters=(d.SCHEDULE_NAME, IDEMPOTENCY_KEY),
    responses={202: json_answer("The task is recorded", d.STARTED)},
    problems=(*REFUSALS, NotFound, NoWorker, InMaintenance, Draining, QueueFull),
)
async def run_schedule(request: web.Request) -> web.Response:
    """`POST /schedules/{name}/run`."""
    name = _name(request)
    schedules = request.config_dict[SCHEDULES]
    fired = await schedules.run(request[PRINCIPAL], name, key=idempotency_key(request))
    audit(request, "schedule.run", schedule=name, task_id=fired.task_id)
    answer = json_response({"success": True, "id": fired.task_id, "schedule": name}, status=202)
    answer.headers["Location"] = f"/tasks/{fired.task_id}"
    return answer


@docs(
    summary="Switch a schedule on: its next firing is the first from now",
    tags=["schedules"],
    scope=Scope.OPERATE,
    parameters=(d.SCHEDULE_NAME,),
    responses={200: json_answer("The schedule is on", d.SCHEDULE)},
    problems=(NotFound, Conflict, DatabaseUnavailable),
)
async def switch_schedule_on(request: web.Request) -> web.Response:
    """`POST /schedules/{name}/on`."""
    return await _switch(request, on=True)


@docs(
    summary="Switch a schedule off: it does not fire; its tasks go on",
    tags=["schedules"],
    scope=Scope.OPERATE,
    parameters=(d.SCHEDULE_NAME,),
    responses={200: json_answer("The schedule is off", d.SCHEDULE)},
    problems=(NotFound, Conflict, DatabaseUnavailable),
)
async def switch_schedule_off(request: web.Request) -> web.Response:
    """`POST /schedules/{name}/off`."""
    return await _switch(request, on=False)


async def _switch(request: web.Request, *, on: bool) -> web.Response:
    name = _name(request)
    switched = await request.config_dict[SCHEDULES].switch(name, on=on)
    audit(request, f"schedule.{'on' if on else 'off'}", schedule=name)
    return _answer(switched)


def _name(request: web.Request) -> str:
    return request.match_info["name"]


def _answer(schedule: dict[str, Any], *, status: int = 200) -> web.Response:
    return json_response({"schedule": schedule}, status=status)
