"""Ending a task early, and running it again."""

import asyncio

import pytest
from pytest_aiohttp.plugin import AiohttpClient

from slotgrid.core.principal import Principal, Scope
from slotgrid.core.submission import Submission
from slotgrid.core.task import Task
from slotgrid.users.users import Key, Users
from tests.harness.in_process.node import RunningNode, events_of, problem_of, running_node
from tests.slotgrid.intake.api.tasks import ended, ids


async def test_a_running_task_can_be_cancelled_once(node: RunningNode, holding: Task) -> None:
    async with node.caller.post(f"/tasks/{holding.id}/cancel") as answer:
        assert await answer.json() == {"success": True, "id": holding.id, "status": "cancelled"}
    problem = await node.problem("POST", f"/tasks/{holding.id}/cancel")
    assert problem["type"] == "/problems/task-finished"


async def test_a_sync_caller_is_told_that_someone_cancelled_its_task(node: RunningNode) -> None:
    call = asyncio.create_task(node.problem("POST", "/task", json={"function": "hold"}))
    task = await node.running_task()
    async with node.caller.post(f"/tasks/{task.id}/cancel") as answer:
        assert answer.status == 200
    problem = await call
    assert (problem["type"], problem["task_id"]) == ("/problems/task-cancelled", task.id)
    await node.idle()


async def test_a_queued_task_can_be_cancelled(aiohttp_client: AiohttpClient) -> None:
    async with running_node(aiohttp_client, slots=1) as node:
        first = asyncio.create_task(node.submit("hold"))
        running = await node.running_task()
        second = asyncio.create_task(node.problem("POST", "/task", json={"function": "greet"}))
        await node.queued()
        queued = next(task for task in node.tasks if task is not running)
        async with node.caller.post(f"/tasks/{queued.id}/cancel") as answer:
            assert (await answer.json())["status"] == "cancelled"
        assert (await second)["type"] == "/problems/task-cancelled"
        assert queued.attempts == []
        node.runner.gate.set()
        await first


async def test_bulk_cancel_takes_the_filters_of_the_list(aiohttp_client: AiohttpClient) -> None:
    async with running_node(aiohttp_client, slots=1) as node:
        hold = asyncio.create_task(node.problem("POST", "/task", json={"function": "hold"}))
        await node.running_task()
        greets = [
            asyncio.create_task(node.problem("POST", "/task", json={"function": "greet"}))
            for _ in range(3)
        ]
        await node.queued(3)
        async with node.caller.post("/tasks/cancel", params={"status": "queued"}) as answer:
            cancelled = await answer.json()
        assert cancelled["cancelled"] == len(cancelled["ids"]) == 3
        assert {(await greet)["type"] for greet in greets} == {"/problems/task-cancelled"}
        async with node.caller.post("/tasks/cancel", params={"function": "greet"}) as answer:
            assert (await answer.json())["cancelled"] == 0
        problem = await node.problem("POST", "/tasks/cancel", params={"limit": "1"})
        assert problem["errors"][0]["pointer"] == "?limit"
        async with node.caller.post("/tasks/cancel") as answer:
            assert (await answer.json())["cancelled"] == 1
        assert (await hold)["type"] == "/problems/task-cancelled"
        await node.idle()


async def test_a_retry_is_a_new_task_with_the_same_input(node: RunningNode) -> None:
    first = await node.submit("greet", {"name": "Ada"}, priority=3)
    async with node.caller.post(f"/tasks/{first['id']}/retry") as answer:
        second = await answer.json()
    assert second["result"] == first["result"]
    assert second["id"] != first["id"]
    task = (await node.get(f"/tasks/{second['id']}"))["task"]
    assert task["source"] == {"kind": "retry", "id": first["id"]}
    assert (task["input"], task["priority"]) == ({"name": "Ada"}, 3)


async def test_a_retry_answers_in_the_mode_of_the_first_task(node: RunningNode) -> None:
    body = {"function": "greet", "mode": "stream"}
    async with node.caller.post("/task", json=body) as answer:
        task_id = (await events_of(answer))[-1]["data"]["id"]
    async with node.caller.post(f"/tasks/{task_id}/retry") as answer:
        assert (await events_of(answer))[-1]["event"] == "done"


async def test_a_task_that_has_not_finished_cannot_be_retried(
    node: RunningNode, holding: Task
) -> None:
    problem = await node.problem("POST", f"/tasks/{holding.id}/retry")
    assert problem["type"] == "/problems/conflict"


async def test_a_retry_in_maintenance_is_refused_and_counted(node: RunningNode) -> None:
    task_id = await ended(node, "greet")
    async with node.caller.post("/off"):
        pass
    problem = await node.problem("POST", f"/tasks/{task_id}/retry")
    assert problem["type"] == "/problems/maintenance"
    async with node.caller.get("/metrics") as answer:
        assert 'slotgrid_refused_total{reason="maintenance"} 1.0' in await answer.text()


async def test_who_may_not_operate_sees_and_cancels_only_its_own_tasks(
    node: RunningNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = await ended(node, "greet")
    scopes = frozenset({Scope.READ, Scope.SUBMIT})
    monkeypatch.setattr(Users, "key", lambda *_: Key(Principal("ada", scopes)))
    own = await ended(node, "greet")
    assert await ids(node) == [own]
    assert await ids(node, owner="root") == []
    for method, path in (("GET", ""), ("POST", "/cancel"), ("POST", "/retry"), ("GET", "/logs")):
        problem = await node.problem(method, f"/tasks/{theirs}{path}")
        assert problem["type"] == "/problems/unknown-task"
    hidden = node.node.admission.admit(Submission(function="hold"), owner="root")
    node.node.supervisor.start(hidden)
    await node.running_task()
    async with node.caller.post("/tasks/cancel") as answer:
        assert (await answer.json())["cancelled"] == 0
    for method, path in (("POST", "/off"), ("GET", "/logs"), ("POST", "/drain")):
        async with node.caller.request(method, path) as answer:
            assert (await problem_of(answer))["type"] == "/problems/forbidden"
    node.runner.gate.set()
