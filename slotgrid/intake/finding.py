"""The task that a path names, for whoever may see it."""

import re
from collections.abc import Mapping

import orjson
from aiohttp import web

from slotgrid.core.errors import UnknownTask
from slotgrid.core.task import Task
from slotgrid.intake.auth import PRINCIPAL
from slotgrid.intake.node import NODE
from slotgrid.records.ledger import Record

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SHOWN_MOST = 60
"""Characters of a wrong id that an error repeats."""


async def find_task(request: web.Request) -> Task | Record:
    """The task of the path. Raises UnknownTask, also for what the key may not see."""
    task_id = request.match_info["id"]
    if UUID.fullmatch(task_id) is None:
        raise UnknownTask(f"there is no task {task_id[:SHOWN_MOST]!r}; ids of tasks are UUIDs")
    found = await request.config_dict[NODE].ledger.find(task_id)
    if found is None or not request[PRINCIPAL].may_see(found.owner):
        raise UnknownTask(f"there is no task {task_id}", task_id=task_id)
    return found


def json_response(
    value: object, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """An answer in JSON."""
    return web.Response(
        body=orjson.dumps(value), status=status, headers=headers, content_type="application/json"
    )
