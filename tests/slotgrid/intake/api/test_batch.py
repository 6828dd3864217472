"""`POST /tasks`: all or none, with the faults of each."""

from typing import Any

import pytest
from pytest_aiohttp.plugin import AiohttpClient

from tests.harness.in_process.node import RunningNode, problem_of, running_node

ECHO = {"function": "echo", "input": {"value": 1}}


async def _post(node: RunningNode, *items: Any, status: int = 202, key: str | None = None) -> Any:
    headers = {} if key is None else {"Idempotency-Key": key}
    async with node.caller.post("/tasks", json={"tasks": items}, headers=headers) as answer:
        assert answer.status == status, await answer.text()
        return await answer.json(content_type=None)


async def _total(node: RunningNode) -> Any:
    return (await node.get("/tasks"))["total"]


async def test_every_task_of_a_batch_runs_and_is_answered_in_order(
    aiohttp_client: AiohttpClient,
) -> None:
    async with running_node(aiohttp_client, durable=True) as node:
        answer = await _post(node, *(ECHO | {"input": {"value": n}} for n in range(20)))
        assert answer["success"] is True
        ids = [task["id"] for task in answer["tasks"]]
        assert len(set(ids)) == 20
        for number, task_id in enumerate(ids):
            task = (await node.get(f"/tasks/{task_id}", wait_s="20"))["task"]
            assert (task["status"], task["result"]) == ("completed", number)
            assert task["mode"] == "async"


async def test_positions_say_in_which_order_they_will_run(aiohttp_client: AiohttpClient) -> None:
    async with running_node(aiohttp_client, durable=True, slots=1) as node:
        holding = await _post(node, {"function": "hold"})
        await node.running_task()
        answer = await _post(node, ECHO, ECHO | {"priority": 1}, ECHO)
        states = [(task["status"], task["queue_position"]) for task in answer["tasks"]]
        assert states == [("queued", 2), ("queued", 1), ("queued", 3)]
        node.runner.gate.set()
        for task in (*holding["tasks"], *answer["tasks"]):
            ended = await node.get(f"/tasks/{task['id']}", wait_s="20")
            assert ended["task"]["status"] == "completed"


async def test_each_fault_of_each_item_is_pointed_at_and_nothing_is_accepted(
    aiohttp_client: AiohttpClient,
) -> None:
    async with running_node(aiohttp_client, durable=True) as node:
        problem = await _post(
            node,
            ECHO,
            {"function": "shop/price", "input": {"amount": 0}},
            {"function": "nobody"},
            ECHO | {"mode": "sync"},
            ECHO | {"group": "other"},
            ECHO | {"contract": 7},
            ECHO | {"place": {"labels": {"gpu": "yes"}}},
            ECHO | {"webhook": {}},
            7,
            status=400,
        )
        assert problem["type"] == "/problems/invalid-request"
        assert [fault["pointer"] for fault in problem["errors"]] == [
            "/tasks/1/input/amount",
            "/tasks/2/function",
            "/tasks/3/mode",
            "/tasks/4/group",
            "/tasks/5/contract",
            "/tasks/6/place",
            "/tasks/7/webhook/url",
            "/tasks/8",
        ]
        assert await _total(node) == 0
        assert node.tasks == []


async def test_a_batch_that_lacks_workers_only_may_be_sent_again(
    aiohttp_client: AiohttpClient,
) -> None:
    nowhere = ECHO | {"place": {"labels": {"gpu": "yes"}}}
    async with running_node(aiohttp_client, durable=True) as node:
        async with node.caller.post("/tasks", json={"tasks": [nowhere, nowhere]}) as answer:
            assert int(answer.headers["Retry-After"]) > 0
            problem = await problem_of(answer)
        assert (problem["type"], problem["status"]) == ("/problems/no-worker", 503)
        pointers = [fault["pointer"] for fault in problem["errors"]]
        assert pointers == ["/tasks/0/place", "/tasks/1/place"]
        assert await _total(node) == 0


async def test_no_answer_names_more_faults_than_help_anyone(aiohttp_client: AiohttpClient) -> None:
    async with running_node(aiohttp_client, durable=True) as node:
        problem = await _post(node, *([{}] * 1000), status=400)
        assert len(problem["errors"]) == 100


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ([], ""),
        ({}, "/tasks"),
        ({"tasks": {}}, "/tasks"),
        ({"tasks": []}, "/tasks"),
        ({"tasks": [ECHO] * 1001}, "/tasks"),
        ({"tasks": [ECHO], "mode": "async"}, "/mode"),
    ],
)
async def test_a_body_that_is_no_batch_is_refused(
    node: RunningNode, body: Any, pointer: str
) -> None:
    problem = await node.problem("POST", "/tasks", json=body)
    assert problem["type"] == "/problems/invalid-request"
    assert [fault["pointer"] for fault in problem["errors"]] == [pointer]


async def test_a_node_without_a_database_says_that_it_offers_no_such_mode(
    node: RunningNode,
) -> None:
    problem = await node.problem("POST", "/tasks", json={"tasks": [ECHO]})
    assert problem["errors"][0]["pointer"] == "/tasks/0/mode"


async def test_a_batch_is_refused_in_maintenance(aiohttp_client: AiohttpClient) -> None:
    async with running_node(aiohttp_client, durable=True) as node:
        await node.caller.post("/off")
        problem = await _post(node, ECHO, status=503)
        assert problem["type"] == "/problems/maintenance"
        assert await _total(node) == 0


async def test_a_key_stands_for_the_whole_batch(aiohttp_client: AiohttpClient) -> None:
    async with running_node(aiohttp_client, durable=True) as node:
        first = await _post(node, ECHO, ECHO, key="k")
        again = await _post(node, ECHO, ECHO, key="k")
        ids = [task["id"] for task in first["tasks"]]
        assert [task["id"] for task in again["tasks"]] == ids
        # Also where the longer list begins with the same tasks.
        problem = await _post(node, ECHO, ECHO, ECHO, key="k", status=409)
        assert problem["type"] == "/problems/conflict"
        assert await _total(node) == 2


async def test_a_thousand_are_accepted_at_once_or_none_for_one_that_is_bad(
    aiohttp_client: AiohttpClient,
) -> None:
    thousand = [ECHO | {"input": {"value": n}} for n in range(1000)]
    async with running_node(aiohttp_client, durable=True) as node:
        problem = await _post(node, *thousand[:-1], {"function": "nobody"}, status=400)
        assert [fault["pointer"] for fault in problem["errors"]] == ["/tasks/999/function"]
        assert await _total(node) == 0
        answer = await _post(node, *thousand)
        ids = [task["id"] for task in answer["tasks"]]
        assert len(set(ids)) == 1000
        for number, task_id in enumerate(ids):
            task = (await node.get(f"/tasks/{task_id}", wait_s="20"))["task"]
            assert (task["status"], task["result"]) == ("completed", number)
        assert await _total(node) == 1000
