"""`/tasks` and below: listing tasks, and operations on them."""

from aiohttp import web
from aiohttp_apispec import docs

from slotgrid.core.errors import (
    Conflict,
    DatabaseUnavailable,
    InvalidSubmission,
    TaskFinished,
    UnknownTask,
)
from slotgrid.core.principal import Scope
from slotgrid.intake import openapi_parts as d
from slotgrid.intake.api.submit import OUTCOMES
from slotgrid.intake.audit import audit
from slotgrid.intake.auth import PRINCIPAL
from slotgrid.intake.framing import json_response
from slotgrid.intake.modes import answer
from slotgrid.intake.node_parts import NODE
from slotgrid.intake.openapi import json_answer
from slotgrid.intake.query import paging, seconds
from slotgrid.intake.task_filters import task_filter
from slotgrid.tasks.service import Note


@docs(
    summary="List tasks, newest first",
    tags=["tasks"],
    scope=Scope.READ,
    parameters=(*d.TASK_FILTERS, *d.PAGING),
    responses={200: json_answer("A page of tasks, and their total", d.TASK_LIST)},
    problems=(InvalidSubmission, DatabaseUnavailable),
)
async def list_tasks(request: web.Request) -> web.Response:
    """`GET /tasks`: live and recent tasks of this node, and all durable ones."""
    limit, offset = paging(request)
    rows, total = await request.config_dict[NODE].tasks.list(
        request[PRINCIPAL], task_filter(request), limit=limit, offset=offset
    )
    return json_response({"tasks": rows, "total": total})


@docs(
    summary="One task with all its details",
    tags=["tasks"],
    scope=Scope.READ,
    parameters=(d.TASK_ID, d.WAIT_S),
    responses={200: json_answer("The task", d.TASK)},
    problems=(UnknownTask, DatabaseUnavailable, InvalidSubmission),
)
async def get_task(request: web.Request) -> web.Response:
    """`GET /tasks/{id}`; with `?wait_s`, answers at the task's end or after that time."""
    tasks, task_id = request.config_dict[NODE].tasks, request.match_info["id"]
    wait_s = seconds(request, "wait_s")
    if wait_s:
        found = await tasks.wait(request[PRINCIPAL], task_id, wait_s)
    else:
        found = await tasks.find(request[PRINCIPAL], task_id)
    return json_response({"task": await tasks.show(found)})


@docs(
    summary="Cancel a queued or running task",
    tags=["tasks"],
    scope=Scope.SUBMIT,
    parameters=(d.TASK_ID,),
    responses={200: json_answer("The task is cancelled", d.CANCELLED)},
    problems=(UnknownTask, DatabaseUnavailable, TaskFinished),
)
async def cancel_task(request: web.Request) -> web.Response:
    """`POST /tasks/{id}/cancel`: answers at the task's end, or after CANCEL_WAIT_S."""
    found = await request.config_dict[NODE].tasks.cancel(
        request[PRINCIPAL], request.match_info["id"], note=_audit_of(request)
    )
    return json_response({"success": True, "id": found.id, "status": found.state})


@docs(
    summary="Cancel every queued and running task that the filters name",
    tags=["tasks"],
    scope=Scope.SUBMIT,
    parameters=d.TASK_FILTERS,
    responses={200: json_answer("The number of cancelled tasks, and their ids", d.BULK_CANCELLED)},
    problems=(InvalidSubmission, DatabaseUnavailable),
)
async def cancel_tasks(request: web.Request) -> web.Response:
    """`POST /tasks/cancel`: filters as `GET /tasks`; without any, all tasks the caller may see."""
    ids = await request.config_dict[NODE].tasks.cancel_many(
        request[PRINCIPAL], task_filter(request), note=_audit_of(request)
    )
    return json_response({"success": True, "cancelled": len(ids), "ids": ids})


def _audit_of(request: web.Request) -> Note:
    return lambda ids: audit(request, "cancel", cancelled=[*ids])


@docs(
    summary="Run the same input again, as a new task",
    tags=["tasks"],
    scope=Scope.SUBMIT,
    parameters=(d.TASK_ID,),
    responses=d.TASK_ANSWERS,
    problems=(*OUTCOMES, UnknownTask, Conflict),
)
async def retry_task(request: web.Request) -> web.StreamResponse:
    """`POST /tasks/{id}/retry`: answers as `POST /task`, in the mode of the first task."""
    tasks = request.config_dict[NODE].tasks
    submission, source = await tasks.retry(request[PRINCIPAL], request.match_info["id"])
    return await answer(request, submission, source)


@docs(
    summary="Send the task's webhook again",
    tags=["tasks"],
    scope=Scope.SUBMIT,
    parameters=(d.TASK_ID,),
    responses={202: json_answer("The webhook is due again", d.REDELIVERING)},
    problems=(UnknownTask, DatabaseUnavailable, Conflict),
)
async def redeliver_task(request: web.Request) -> web.Response:
    """`POST /tasks/{id}/redeliver`: starts at the first attempt, also after a success."""
    tasks = request.config_dict[NODE].tasks
    found = await tasks.redeliver(request[PRINCIPAL], request.match_info["id"])
    return json_response({"success": True, "id": found.id, "status": found.state}, status=202)
