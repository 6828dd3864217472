"""`/tasks/{id}/artifacts`: the files that a task saved."""

from collections.abc import Collection
from pathlib import Path

from aiohttp import web
from aiohttp_apispec import docs

from slotgrid.core.errors import DatabaseUnavailable, Gone, NotFound, UnknownTask
from slotgrid.core.principal import Scope
from slotgrid.core.task import Task
from slotgrid.intake import openapi_parts as d
from slotgrid.intake.auth import PRINCIPAL
from slotgrid.intake.file_headers import file_headers
from slotgrid.intake.file_response import FileAnswer
from slotgrid.intake.framing import json_response
from slotgrid.intake.node_parts import NODE
from slotgrid.intake.openapi import Answer, json_answer
from slotgrid.intake.piecewise_response import send_pieces
from slotgrid.records.task_repository import Record


@docs(
    summary="The files that a task saved",
    tags=["tasks"],
    scope=Scope.READ,
    parameters=(d.TASK_ID,),
    responses={200: json_answer("The files", d.ARTIFACT_LIST)},
    problems=(
        UnknownTask,
        DatabaseUnavailable,
    ),
)
async def list_artifacts(request: web.Request) -> web.Response:
    """`GET /tasks/{id}/artifacts`."""
    files: Collection[object] = (await _task(request)).artifacts.values()
    return json_response({"artifacts": list(files), "total": len(files)})


@docs(
    summary="One file that a task saved",
    tags=["tasks"],
    scope=Scope.READ,
    parameters=(d.TASK_ID, d.ARTIFACT_NAME),
    responses={
        200: Answer("The file", {"*/*": {"type": "string", "format": "binary"}}),
        **d.FILE_ANSWERS,
    },
    problems=(UnknownTask, DatabaseUnavailable, NotFound, Gone),
)
async def get_artifact(request: web.Request) -> web.StreamResponse:
    """`GET /tasks/{id}/artifacts/{name}`; a type that can run scripts is sent as a download."""
    task, name = await _task(request), request.match_info["name"]
    if name not in task.artifacts:
        raise NotFound(f"the task saved no file {name!r}")
    node, saved = request.config_dict[NODE], task.artifacts[name]
    headers = file_headers(name, saved.content_type)
    found = await node.artifacts.open(task.id, name)
    if isinstance(found, Path):
        return FileAnswer(found, headers=headers)
    if found is not None:
        return await send_pieces(request, headers, saved.size, found)
    if node.files_elsewhere is None or not isinstance(task, Task) or task.worker is None:
        raise Gone(f"the file {name!r} was removed")
    async with node.files_elsewhere.open(task.worker, task.id, name) as (size, pieces):
        return await send_pieces(request, headers, size, pieces)


async def _task(request: web.Request) -> Task | Record:
    tasks = request.config_dict[NODE].tasks
    return await tasks.find(request[PRINCIPAL], request.match_info["id"])
