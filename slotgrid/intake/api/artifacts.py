"""`/tasks/{id}/artifacts`: the files that a task saved."""

import asyncio
from collections.abc import Collection

from aiohttp import web

from slotgrid.core.errors import DatabaseUnavailable, Gone, NotFound, UnknownTask
from slotgrid.intake import documents as d
from slotgrid.intake.finding import find_task, json_response
from slotgrid.intake.node import NODE
from slotgrid.intake.openapi import Answer, Endpoint, Scope, endpoint, json_answer

RISKY_TYPES = ("text/html", "image/svg+xml", "application/xhtml+xml", "text/xml")


@endpoint(
    Endpoint(
        summary="The files that a task saved",
        tag="tasks",
        scope=Scope.READ,
        parameters=(d.TASK_ID,),
        answers={200: json_answer("The files", d.ARTIFACT_LIST)},
        problems=(
            UnknownTask,
            DatabaseUnavailable,
        ),
    )
)
async def list_artifacts(request: web.Request) -> web.Response:
    """`GET /tasks/{id}/artifacts`."""
    files: Collection[object] = (await find_task(request)).artifacts.values()
    return json_response({"artifacts": list(files), "total": len(files)})


@endpoint(
    Endpoint(
        summary="One file that a task saved",
        tag="tasks",
        scope=Scope.READ,
        parameters=(d.TASK_ID, d.ARTIFACT_NAME),
        answers={
            200: Answer("The file", {"*/*": {"type": "string", "format": "binary"}}),
            **d.FILE_ANSWERS,
        },
        problems=(UnknownTask, DatabaseUnavailable, NotFound, Gone),
    )
)
async def get_artifact(request: web.Request) -> web.StreamResponse:
    """`GET /tasks/{id}/artifacts/{name}`. What could run as a page of ours is only downloaded."""
    task, name = await find_task(request), request.match_info["name"]
    if name not in task.artifacts:
        raise NotFound(f"the task saved no file {name!r}")
    path = request.app[NODE].artifacts.path(task.id, name)
    if not await asyncio.to_thread(path.is_file):
        raise Gone(f"the file {name!r} was removed")
    kind = task.artifacts[name].content_type
    disposition = "attachment" if kind in RISKY_TYPES else "inline"
    return web.FileResponse(
        path,
        headers={
            "Content-Type": kind,
            "Content-Disposition": f'{disposition}; filename="{name}"',
            "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'",
            "X-Content-Type-Options": "nosniff",
        },
    )
