"""Task records whose row in the database is damaged: named by detail and list, never skipped."""

from collections.abc import AsyncIterator

import pytest
from pytest_aiohttp.plugin import AiohttpClient

from slotgrid.records.tables import tasks
from tests.harness.in_process.node import RunningNode, running_node

BODY = {"function": "echo", "input": {"value": 1}, "mode": "async"}


@pytest.fixture
async def node(aiohttp_client: AiohttpClient) -> AsyncIterator[RunningNode]:
    async with running_node(aiohttp_client, durable=True) as running:
        yield running


async def _recorded(node: RunningNode) -> str:
    """The id of a durable task that has ended and is no longer in memory."""
    async with node.caller.post("/task", json=BODY) as answer:
        task_id = str((await answer.json())["id"])
    await node.get(f"/tasks/{task_id}", wait_s="20")
    node.history.remove(task_id)
    return task_id


async def _damage(node: RunningNode, task_id: str, **columns: str) -> None:
    assert node.durability is not None
    damaged = tasks.update().where(tasks.c.id == task_id).values(**columns)
    await node.durability.database.write(lambda c: c.execute(damaged))


@pytest.mark.parametrize(
    "columns", [{"detail": '{"id": '}, {"body": "nonsense"}, {"detail": "[]"}, {"status": "odd"}]
)
async def test_a_damaged_record_is_a_problem_that_names_it(
    node: RunningNode, columns: dict[str, str]
) -> None:
    task_id = await _recorded(node)
    await _damage(node, task_id, **columns)
    for method, path in (("GET", ""), ("GET", "/events"), ("POST", "/cancel"), ("POST", "/retry")):
        problem = await node.problem(method, f"/tasks/{task_id}{path}")
        assert (problem["type"], problem["task_id"]) == ("/problems/internal", task_id)
        assert f"the record of task {task_id} cannot be read" in problem["detail"]


async def test_damaged_deliveries_of_a_task_in_memory_are_a_problem_that_names_it(
    node: RunningNode,
) -> None:
    async with node.caller.post("/task", json=BODY) as answer:
        task_id = str((await answer.json())["id"])
    await node.get(f"/tasks/{task_id}", wait_s="20")
    await _damage(node, task_id, deliveries="[{")
    problem = await node.problem("GET", f"/tasks/{task_id}")
    assert f"the record of task {task_id} cannot be read" in problem["detail"]


async def test_a_list_shows_a_damaged_record_from_its_columns(node: RunningNode) -> None:
    whole, damaged = [await _recorded(node) for _ in range(2)]
    await _damage(node, damaged, summary='{"id": ')
    listed = await node.get("/tasks")
    assert listed["total"] == 2
    newest, oldest = listed["tasks"]
    assert (newest["id"], newest["function"], newest["status"]) == (damaged, "echo", "completed")
    assert "cannot be read" in newest["error"]
    assert (oldest["id"], oldest["error"]) == (whole, None)
