"""`/tasks` and below: the record of tasks, and what can be done with one."""

import asyncio
import contextlib
from dataclasses import replace

from aiohttp import web

from slotgrid.core.errors import (
    Conflict,
    DatabaseUnavailable,
    InvalidSubmission,
    TaskFinished,
    UnknownTask,
)
from slotgrid.core.parts import Source
from slotgrid.core.principal import Scope
from slotgrid.core.submission import Submission
from slotgrid.core.task import Task
from slotgrid.intake import documents as d
from slotgrid.intake.api.speech import LOOK_AGAIN_S
from slotgrid.intake.api.submit import OUTCOMES, run
from slotgrid.intake.audit import audit
from slotgrid.intake.auth import PRINCIPAL
from slotgrid.intake.filters import LIVE, task_filter
from slotgrid.intake.finding import find_task, json_response
from slotgrid.intake.node import NODE, Node
from slotgrid.intake.openapi import Endpoint, endpoint, json_answer
from slotgrid.intake.query import paging, seconds
from slotgrid.records.history import TaskFilter
from slotgrid.records.ledger import Record

CANCEL_AT_ONCE = 200
"""Recorded tasks cancelled side by side, so that they share commits."""
CANCEL_WAIT_S = 10.0
"""How long the answer to a cancel waits for the end: longer than any slot takes to be freed."""


@endpoint(
    Endpoint(
        summary="List tasks, newest first",
        tag="tasks",
        scope=Scope.READ,
        parameters=(*d.TASK_FILTERS, *d.PAGING),
        answers={200: json_answer("A page of tasks, and how many there are", d.TASK_LIST)},
        problems=(InvalidSubmission, DatabaseUnavailable),
    )
)
async def list_tasks(request: web.Request) -> web.Response:
    """`GET /tasks`: live and recent tasks of this node, and all durable ones."""
    node = request.config_dict[NODE]
    limit, offset = paging(request)
    wanted = task_filter(request)
    rows, total = await node.ledger.select(wanted, limit=limit, offset=offset)
    return json_response({"tasks": rows, "total": total})


@endpoint(
    Endpoint(
        summary="One task, with everything that is known of it",
        tag="tasks",
        scope=Scope.READ,
        parameters=(d.TASK_ID, d.WAIT_S),
        answers={200: json_answer("The task", d.TASK)},
        problems=(UnknownTask, DatabaseUnavailable, InvalidSubmission),
    )
)
async def get_task(request: web.Request) -> web.Response:
    """`GET /tasks/{id}`; `?wait_s` answers when it has finished or the time is up."""
    found = await find_task(request)
    wait_s = seconds(request, "wait_s")
    if wait_s:
        found = await _finished_within(request, found, wait_s)
    return json_response({"task": await request.config_dict[NODE].ledger.show(found)})


async def _finished_within(
    request: web.Request, found: Task | Record, wait_s: float
) -> Task | Record:
    """The task when it has ended, or as it is after `wait_s`."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(wait_s):
            while isinstance(found, Record) and not found.state.terminal:
                await asyncio.sleep(LOOK_AGAIN_S)
                found = await find_task(request)
            if isinstance(found, Task):
                await found.wait_finished()
                if found.submission.mode.durable:  # a list asked for next shows the end as well
                    await request.config_dict[NODE].ledger.settled()
    return found


@endpoint(
    Endpoint(
        summary="Cancel a queued or running task",
        tag="tasks",
        scope=Scope.SUBMIT,
        parameters=(d.TASK_ID,),
        answers={200: json_answer("It is cancelled", d.CANCELLED)},
        problems=(UnknownTask, DatabaseUnavailable, TaskFinished),
    )
)
async def cancel_task(request: web.Request) -> web.Response:
    """`POST /tasks/{id}/cancel`: answers when the task has ended."""
    node, found = request.config_dict[NODE], await find_task(request)
    reason = f"{request[PRINCIPAL].name} cancelled it"
    if isinstance(found, Record) and not found.state.terminal and node.durable is not None:
        await node.durable.cancel(found.id, reason)
        found = await find_task(request)
    elif isinstance(found, Record) or not node.supervisor.cancel(found, reason):
        raise TaskFinished(f"the task has already {found.state}", task_id=found.id)
    audit(request, "cancel", cancelled=[found.id])
    found = await _finished_within(request, found, CANCEL_WAIT_S)
    return json_response({"success": True, "id": found.id, "status": found.state})


@endpoint(
    Endpoint(
        summary="Cancel every queued and running task that the filters name",
        tag="tasks",
        scope=Scope.SUBMIT,
        parameters=d.TASK_FILTERS,
        answers={200: json_answer("How many were cancelled", d.BULK_CANCELLED)},
        problems=(InvalidSubmission, DatabaseUnavailable),
    )
)
async def cancel_tasks(request: web.Request) -> web.Response:
    """`POST /tasks/cancel`: the filters of `GET /tasks`; without any, all of one's own."""
    node = request.config_dict[NODE]
    wanted = task_filter(request, status=LIVE)
    reason = f"{request[PRINCIPAL].name} cancelled it"
    ids = await _cancel_on_disk(node, wanted, reason)
    cancelled = [
        task
        for task in node.supervisor.live
        if wanted.accepts(task) and node.supervisor.cancel(task, reason)
    ]
    if cancelled:
        waits = [asyncio.ensure_future(task.wait_finished()) for task in cancelled]
        await asyncio.wait(waits, timeout=CANCEL_WAIT_S)
        await node.ledger.settled()  # a list asked for next shows them as what they are
    ids += [task.id for task in cancelled]
    audit(request, "cancel", cancelled=ids)
    return json_response({"success": True, "cancelled": len(ids), "ids": ids})


async def _cancel_on_disk(node: Node, wanted: TaskFilter, reason: str) -> list[str]:
    """Cancel the recorded tasks that are meant and have not come into memory; their ids."""
    if node.durable is None:
        return []
    live = replace(wanted, status=(wanted.status or LIVE) & LIVE)
    ids = await node.ledger.on_disk(live)
    for first in range(0, len(ids), CANCEL_AT_ONCE):
        page = ids[first : first + CANCEL_AT_ONCE]
        await asyncio.gather(*(node.durable.cancel(task_id, reason) for task_id in page))
    return ids


@endpoint(
    Endpoint(
        summary="Run the same input again, as a new task",
        tag="tasks",
        scope=Scope.SUBMIT,
        parameters=(d.TASK_ID,),
        answers=d.TASK_ANSWERS,
        problems=(*OUTCOMES, UnknownTask, Conflict),
    )
)
async def retry_task(request: web.Request) -> web.StreamResponse:
    """`POST /tasks/{id}/retry`: answers as `POST /task` does, in the mode of the first one."""
    first = await find_task(request)
    if not first.state.terminal:
        raise Conflict(f"the task is {first.state}; only a finished one can run again")
    return await run(request, _submission(first), Source("retry", first.id))


def _submission(found: Task | Record) -> Submission:
    return found.submission() if isinstance(found, Record) else found.submission


@endpoint(
    Endpoint(
        summary="Send the task's webhook again",
        tag="tasks",
        scope=Scope.SUBMIT,
        parameters=(d.TASK_ID,),
        answers={202: json_answer("It is being sent", d.REDELIVERING)},
        problems=(UnknownTask, DatabaseUnavailable, Conflict),
    )
)
async def redeliver_task(request: web.Request) -> web.Response:
    """`POST /tasks/{id}/redeliver`: from the first attempt, whatever became of the last."""
    node, found = request.config_dict[NODE], await find_task(request)
    if not found.state.terminal or node.durable is None or _submission(found).webhook is None:
        raise Conflict("only a finished task of mode webhook can be delivered again")
    await node.durable.redeliver(found.id)
    return json_response({"success": True, "id": found.id, "status": found.state}, status=202)
