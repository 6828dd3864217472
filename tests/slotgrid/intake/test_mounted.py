"""The native handlers inside a sub-application, as facades are mounted."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from pytest_aiohttp.plugin import AiohttpClient

from slotgrid.core.event_log import Event
from slotgrid.core.submission import Submission
from slotgrid.core.task import Task
from slotgrid.intake.app import routes
from slotgrid.intake.auth import PRINCIPAL
from slotgrid.intake.json_body import read_json
from slotgrid.intake.modes import stream
from slotgrid.intake.node_parts import NODE
from tests.harness.in_process.node import RunningNode, events_of, problem_of, running_node

PREFIX = "/elsewhere"


async def _kinds(request: web.Request) -> web.StreamResponse:
    """What a facade does: another frame for the same events, and another answer to a failure."""
    body, _ = await read_json(request, any_type=True)
    tasks = request.config_dict[NODE].tasks
    async with tasks.start(request[PRINCIPAL], Submission.parse(body)) as started:
        return await stream(request, started, "text/x-kinds", _kind, terminal=_failure)


def _kind(event: Event) -> bytes:
    return f"{event.kind} ".encode()


def _failure(task: Task) -> web.Response:
    assert task.error is not None
    return web.Response(status=422, text=f"sorry: {task.error.detail}")


@pytest.fixture
async def node(aiohttp_client: AiohttpClient) -> AsyncIterator[RunningNode]:
    """A node whose handlers are mounted under PREFIX, beside their own paths."""

    def mount(app: web.Application) -> None:
        inner = web.Application()
        inner.add_routes([*routes(), web.post("/kinds", _kinds)])
        app.add_subapp(PREFIX, inner)

    async with running_node(aiohttp_client, add_own=mount, docs_enabled=False) as running:
        yield running


async def test_mounted_handlers_submit_and_show_tasks_of_the_node(node: RunningNode) -> None:
    async with node.caller.post(
        f"{PREFIX}/task", json={"function": "greet", "mode": "stream"}
    ) as answer:
        events = await events_of(answer)
        task_id = answer.headers["Content-Location"].rpartition("/")[2]
    assert events[-1]["event"] == "done"
    listed = await node.get(f"{PREFIX}/tasks")
    assert [task["id"] for task in listed["tasks"]] == [task_id]
    assert (await node.get(f"{PREFIX}/tasks/{task_id}"))["task"]["status"] == "completed"
    async with node.caller.get(f"{PREFIX}/tasks/{task_id}/events") as again:
        assert await events_of(again) == events
    async with node.caller.get(f"{PREFIX}/tasks/{task_id}/logs") as logs:
        assert b"completed" in await logs.read()


async def test_mounted_handlers_operate_the_node(node: RunningNode) -> None:
    call = asyncio.create_task(node.problem("POST", "/task", json={"function": "hold"}))
    task = await node.running_task()
    async with node.caller.post(f"{PREFIX}/tasks/{task.id}/cancel") as answer:
        assert (await answer.json())["status"] == "cancelled"
    assert (await call)["type"] == "/problems/task-cancelled"
    async with node.caller.post(f"{PREFIX}/off") as answer:
        assert (await answer.json())["status"] == "maintenance"
    for path in ("/functions", "/groups", "/logs", "/health"):
        await node.get(PREFIX + path)


async def test_mounted_handlers_ask_for_a_key(node: RunningNode) -> None:
    async with node.stranger.get(f"{PREFIX}/tasks") as answer:
        assert (await problem_of(answer))["type"] == "/problems/unauthorized"


async def test_a_facade_frames_events_and_failures_in_its_own_shapes(node: RunningNode) -> None:
    path = f"{PREFIX}/kinds"
    async with node.caller.post(path, data=b'{"function": "greet"}') as answer:
        assert answer.content_type == "text/x-kinds"
        assert await answer.text() == "status chunk chunk chunk progress done "
    async with node.caller.post(path, data=b'{"function": "fail"}') as answer:
        assert (answer.status, await answer.text()) == (422, "sorry: no luck")
