"""The answer in each mode: the task's result, a stream of its events, or a receipt."""

import asyncio
from collections.abc import Callable

from aiohttp import web

from slotgrid.core.event_log import encode_json
from slotgrid.core.fields import Mode
from slotgrid.core.submission import Submission
from slotgrid.core.task import Task
from slotgrid.core.task_parts import API, Source
from slotgrid.intake import stream_response
from slotgrid.intake.auth import PRINCIPAL
from slotgrid.intake.framing import EventFrame, event_frame, json_response
from slotgrid.intake.node_parts import NODE
from slotgrid.intake.problems import problem_response
from slotgrid.intake.stream_response import open_stream
from slotgrid.intake.submission_headers import idempotency_key
from slotgrid.tasks.awaited_task import AwaitedTask
from slotgrid.tasks.receipt import Receipt


async def answer(
    request: web.Request, submission: Submission, source: Source = API
) -> web.StreamResponse:
    """Submit a task for the caller, and answer in the mode of the submission."""
    tasks, principal = request.config_dict[NODE].tasks, request[PRINCIPAL]
    key = idempotency_key(request)
    if submission.mode.durable:
        return accepted(await tasks.submit(principal, submission, key=key, source=source))
    async with tasks.start(principal, submission, key=key, source=source) as started:
        if submission.mode is Mode.STREAM:
            content_type, frame = event_frame(request)
            return await stream(request, started, content_type, frame)
        await started.task.wait_finished()
        return terminal(started.task)


def accepted(receipt: Receipt) -> web.Response:
    """The answer to a durable submission."""
    location = {"Location": f"/tasks/{receipt.id}"}
    return json_response({"success": True, **receipt.to_json()}, status=202, headers=location)


def terminal(task: Task) -> web.Response:
    """The answer for a task that has ended: its result, or its problem."""
    if task.error is not None:
        return problem_response(task.error)
    return web.Response(body=encode_json(task.answer()), content_type="application/json")


async def stream(
    request: web.Request,
    started: AwaitedTask,
    content_type: str,
    frame: EventFrame,
    *,
    terminal: Callable[[Task], web.Response] = terminal,
) -> web.StreamResponse:
    """All events of the task as they occur, each in its frame.

    If the task fails before its first event (no slot in time, a full queue), `terminal` makes the
    answer. The headers are sent with the first event, at the latest after PING_S.
    """
    task = started.task
    async with started.reader() as reader:
        try:
            async with asyncio.timeout(stream_response.PING_S):
                first = await reader.next()
        except TimeoutError:
            first = None
        if first is not None and first.kind == "error" and task.error is not None:
            return terminal(task)
        headers = {"Content-Location": f"/tasks/{task.id}"}
        response = await open_stream(request, content_type, headers)
        if first is not None:
            await response.write(frame(first))
        await stream_response.send(request, response, reader, frame, ended=task.wait_finished)
    return response
