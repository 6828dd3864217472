"""`/tasks` and below: the record of tasks, and what can be done with one."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from pytest_aiohttp.plugin import AiohttpClient

from slotgrid.core.task import Task
from tests.harness.in_process.node import RunningNode, running_node
from tests.slotgrid.intake.api.tasks import ended, ids

UNKNOWN = "0198c0de-7a3b-7c11-9d5e-2f6a1b0c4d3e"


async def test_tasks_are_listed_newest_first_by_the_page(node: RunningNode) -> None:
    made = [await ended(node, "greet") for _ in range(5)]
    whole = await node.get("/tasks")
    assert [task["id"] for task in whole["tasks"]] == made[::-1]
    assert whole["total"] == 5
    page = await node.get("/tasks", limit="2", offset="1")
    assert [task["id"] for task in page["tasks"]] == [made[3], made[2]]
    assert page["total"] == 5
    assert (await node.get("/tasks", offset="99"))["tasks"] == []


async def test_every_filter_chooses_what_it_says(node: RunningNode, holding: Task) -> None:
    greeted = await ended(node, "greet")
    failed = await ended(node, "fail", {"message": "Out of Luck"})
    assert await ids(node, status="completed") == [greeted]
    assert await ids(node, status="failed,running") == [failed, holding.id]
    assert await ids(node, function="greet") == [greeted]
    assert await ids(node, q="of luck") == [failed]
    assert await ids(node, q=greeted.upper()) == [greeted]
    assert (
        len(await ids(node, group="default", worker="test-node", owner="root", source="api")) == 3
    )
    for name in ("group", "worker", "owner", "function", "q"):
        assert await ids(node, **{name: "something else"}) == []
    assert await ids(node, source="schedule") == []


async def test_times_choose_too_with_or_without_a_zone(node: RunningNode) -> None:
    made = await ended(node, "greet")
    now = datetime.now(UTC)
    before, after = now - timedelta(minutes=1), now + timedelta(minutes=1)
    for form in (before.isoformat(), before.replace(tzinfo=None).isoformat()):
        assert await ids(node, since=form) == [made]
        assert await ids(node, until=form) == []
    assert await ids(node, since=before.isoformat(), until=after.isoformat()) == [made]
    # As it arrives from whoever does not escape the plus sign.
    async with node.caller.get(f"/tasks?since={before.isoformat()}") as answer:
        assert answer.status == 200


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("status", "sleeping"),
        ("status", ""),
        ("since", "yesterday"),
        ("limit", "0"),
        ("limit", "1001"),
        ("limit", "many"),
        ("limit", "1.5"),
        ("offset", "-1"),
        ("colour", "red"),
        ("source", "elsewhere"),
        ("function", ""),
        ("q", "\0"),
    ],
)
async def test_a_query_that_cannot_be_read_is_refused(
    node: RunningNode, name: str, value: str
) -> None:
    problem = await node.problem("GET", "/tasks", params={name: value})
    assert problem["errors"][0]["pointer"] == f"?{name}"


async def test_one_task_has_everything_that_is_known_of_it(node: RunningNode) -> None:
    task_id = await ended(node, "steps")
    task = (await node.get(f"/tasks/{task_id}"))["task"]
    assert task["status"] == "completed"
    assert [(step["name"], step["status"]) for step in task["steps"]] == [("greet-1", "completed")]
    assert [attempt["number"] for attempt in task["attempts"]] == [1]
    assert task["created_at"] <= task["started_at"] <= task["finished_at"]


async def test_a_task_that_waits_shows_its_place_in_the_queue(
    aiohttp_client: AiohttpClient,
) -> None:
    async with running_node(aiohttp_client, slots=1) as node:
        first = asyncio.create_task(node.submit("hold"))
        await node.running_task()
        second = asyncio.create_task(node.submit("greet"))
        await node.queued()
        newest = (await node.get("/tasks", status="queued"))["tasks"][0]
        assert (newest["queue_position"], newest["worker"], newest["started_at"]) == (1, None, None)
        assert newest["queued_ms"] >= 0
        node.runner.gate.set()
        await asyncio.gather(first, second)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("POST", "/cancel"),
        ("POST", "/retry"),
        ("GET", "/events"),
        ("GET", "/logs"),
        ("GET", "/steps/main/logs"),
        ("GET", "/artifacts"),
        ("GET", "/artifacts/a.txt"),
    ],
)
@pytest.mark.parametrize("task_id", [UNKNOWN, "no-id-at-all", "%00"])
async def test_an_unknown_task_is_404_everywhere(
    node: RunningNode, method: str, path: str, task_id: str
) -> None:
    problem = await node.problem(method, f"/tasks/{task_id}{path}")
    assert problem["type"] == "/problems/unknown-task"


async def test_wait_s_answers_as_soon_as_the_task_has_finished(
    node: RunningNode, holding: Task
) -> None:
    path = f"/tasks/{holding.id}"
    assert (await node.get(path, wait_s="0"))["task"]["status"] == "running"
    assert (await node.get(path, wait_s="0.05"))["task"]["status"] == "running"
    waiting = asyncio.create_task(node.get(path, wait_s="60"))
    await node.get("/livez")
    node.runner.gate.set()
    assert (await waiting)["task"]["status"] == "completed"
    assert (await node.problem("GET", path, params={"wait_s": "301"}))["status"] == 400
    assert (await node.problem("GET", path, params={"wait_s": "nan"}))["status"] == 400
    assert (await node.problem("GET", path, params={"wait_s": "soon"}))["status"] == 400
