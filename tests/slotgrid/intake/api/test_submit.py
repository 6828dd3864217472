"""What becomes of a task that was taken, and of its caller."""

import asyncio
import json
from typing import Any

import pytest
from pytest_aiohttp.plugin import AiohttpClient

from slotgrid.core.task_states import TaskState
from tests.harness.environment import KEY
from tests.harness.in_process.node import NAME, RunningNode, problem_of, running_node

GREET = {"function": "greet"}


async def test_a_sync_task_answers_with_its_result(node: RunningNode) -> None:
    answer = await node.submit("greet", {"name": "Ada"})
    assert answer["success"] is True
    assert answer["result"] == {"message": "Hello, Ada!"}
    assert answer["worker"] == NAME
    task = (await node.get(f"/tasks/{answer['id']}"))["task"]
    assert task["input"] == {"name": "Ada"}


@pytest.mark.parametrize("value", [None, 0, "", "ü€😀", [1, [2]], {"a": {"b": None}}, 1e300])
async def test_any_json_comes_back_as_it_was(node: RunningNode, value: object) -> None:
    assert (await node.submit("echo", {"value": value}))["result"] == value


async def test_a_priority_beyond_9_counts_as_9(node: RunningNode) -> None:
    answer = await node.submit("greet", priority=1000)
    assert (await node.get(f"/tasks/{answer['id']}"))["task"]["priority"] == 9


@pytest.mark.parametrize("header", [KEY, f"Bearer {KEY}", f"bearer  {KEY} "])
async def test_a_key_is_shown_raw_or_as_a_bearer(node: RunningNode, header: str) -> None:
    async with node.stranger.post("/task", json=GREET, headers={"Authorization": header}) as answer:
        assert answer.status == 200


async def test_the_header_of_another_balancer_counts_without_authorization(
    node: RunningNode,
) -> None:
    async def status(**headers: str) -> int:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        async with node.stranger.post("/task", json=GREET, headers=sent) as response:
            return response.status

    assert await status(x_lb_auth=KEY, x_wr_auth="of a worker") == 200
    assert await status(X_LB_AUTH=f"Bearer {KEY}") == 200
    assert await status(x_lb_auth="wrong") == 401
    assert await status(x_lb_auth=KEY, Authorization="wrong") == 401
    assert await status(x_lb_auth="wrong", Authorization=KEY) == 200
    assert await status(x_wr_auth=KEY) == 401


async def test_a_byte_order_mark_before_a_body_is_read_over(node: RunningNode) -> None:
    body = b'\xef\xbb\xbf{"function": "greet", "input": {"name": "Ada"}}'
    headers = {"Content-Type": "application/json"}
    async with node.caller.post("/task", data=body, headers=headers) as response:
        assert response.status == 200


async def test_a_function_that_raises_is_500_and_the_task_is_there_to_see(
    node: RunningNode,
) -> None:
    problem = await node.problem("POST", "/task", json={"function": "fail"})
    assert problem["type"] == "/problems/function-failed"
    assert problem["error"] == "no luck"
    task = (await node.get(f"/tasks/{problem['task_id']}"))["task"]
    assert task["status"] == "failed"
    assert task["error"]["type"] == "/problems/function-failed"


async def test_a_task_that_gets_no_slot_in_time_is_504_and_says_why(
    aiohttp_client: AiohttpClient,
) -> None:
    async with running_node(aiohttp_client, slots=1) as node:
        holding = asyncio.create_task(node.submit("hold"))
        await node.running_task()
        problem = await node.problem("POST", "/task", json={**GREET, "wait_s": 0})
        assert problem["type"] == "/problems/wait-exceeded"
        assert problem["position"] == 1
        assert problem["reason"] == "every slot is busy"
        node.runner.gate.set()
        assert (await holding)["result"] == "released"


async def test_a_full_queue_is_503_with_retry_after(aiohttp_client: AiohttpClient) -> None:
    async with running_node(aiohttp_client, slots=1, queue_limit=1) as node:
        holding = asyncio.create_task(node.submit("hold"))
        await node.running_task()
        waiting = asyncio.create_task(node.submit("greet"))
        await node.queued()
        async with node.caller.post("/task", json=GREET) as answer:
            problem = await problem_of(answer)
            assert problem["type"] == "/problems/queue-full"
            assert int(answer.headers["Retry-After"]) == problem["retry_after_s"] >= 1
        node.runner.gate.set()
        await asyncio.gather(holding, waiting)


async def test_a_caller_who_hangs_up_cancels_its_task(node: RunningNode) -> None:
    call = asyncio.create_task(node.submit("hold"))
    task = await node.running_task()
    call.cancel()
    async with asyncio.timeout(10):
        await task.wait_finished()
    assert task.state is TaskState.CANCELLED
    assert task.error is not None
    assert task.error.reason == "the caller disconnected"
    await node.idle()


async def test_a_caller_who_hangs_up_while_it_waits_leaves_the_queue(
    aiohttp_client: AiohttpClient,
) -> None:
    async with running_node(aiohttp_client, slots=1) as node:
        holding = asyncio.create_task(node.submit("hold"))
        first = await node.running_task()
        leaving = asyncio.create_task(node.submit("greet"))
        await node.queued()
        second = next(task for task in node.tasks if task is not first)
        leaving.cancel()
        async with asyncio.timeout(10):
            await second.wait_finished()
        assert node.node.dispatcher.waiting == 0
        assert second.attempts == []
        node.runner.gate.set()
        await holding


async def test_priorities_decide_who_is_next(aiohttp_client: AiohttpClient) -> None:
    async with running_node(aiohttp_client, slots=1) as node:
        holding = asyncio.create_task(node.submit("hold"))
        await node.running_task()
        calls = []
        for count, priority in enumerate((9, 1, 5), start=1):
            calls.append(asyncio.create_task(node.submit("greet", priority=priority)))
            await node.queued(count)
        node.runner.gate.set()
        await asyncio.gather(holding, *calls)
        order = [
            node.runner.started.get_nowait().submission.priority
            for _ in range(node.runner.started.qsize())
        ]
        assert order == [1, 5, 9]


async def test_the_body_of_a_function_is_its_input_and_the_rest_stands_in_the_query(
    node: RunningNode,
) -> None:
    query = {"priority": "2", "timeout_s": "5.5", "metadata": json.dumps({"a": [1]})}
    async with node.caller.post(
        "/functions/shop/price", params=query, json={"amount": 4, "password": "hush-hush"}
    ) as answer:
        assert answer.status == 200
        found = await answer.json()
    assert found["result"] == {"total": 8}
    task = (await node.get(f"/tasks/{found['id']}"))["task"]
    assert (task["priority"], task["timeout_s"], task["metadata"]) == (2, 5.5, {"a": [1]})
    assert task["input"] == {"amount": 4, "password": "[redacted]"}


async def test_an_encoded_slash_in_a_function_s_name_is_a_slash(node: RunningNode) -> None:
    async with node.caller.post("/functions/shop%2Fprice", json={"amount": 1}) as answer:
        assert (await answer.json())["result"] == {"total": 2}


async def test_no_body_is_an_empty_input(node: RunningNode) -> None:
    async with node.caller.post("/functions/greet") as answer:
        assert (await answer.json())["result"] == {"message": "Hello, World!"}


async def test_trace_headers_are_carried_through(node: RunningNode) -> None:
    trace = {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
    async with node.caller.post("/task", json=GREET, headers=trace) as answer:
        task = node.history.get((await answer.json())["id"])
    assert task is not None
    assert dict(task.submission.trace) == trace


async def test_a_flood_of_tasks_is_bounded_and_none_is_lost(aiohttp_client: AiohttpClient) -> None:
    async with running_node(aiohttp_client, slots=2, queue_limit=20) as node:

        async def one() -> int:
            async with node.caller.post("/task", json=GREET) as answer:
                if answer.status == 503:
                    assert (await problem_of(answer))["type"] == "/problems/queue-full"
                    assert int(answer.headers["Retry-After"]) >= 1
                return answer.status

        statuses = await asyncio.gather(*(one() for _ in range(300)))
        assert set(statuses) <= {200, 503}
        _, total = await listed(node)
        assert total == len(statuses)
        await node.idle()


async def listed(node: RunningNode) -> tuple[list[Any], int]:
    answer = await node.get("/tasks")
    return answer["tasks"], answer["total"]


async def test_defaults_are_filled_in(node: RunningNode) -> None:
    assert (await node.submit("greet"))["result"] == {"message": "Hello, World!"}


async def test_a_task_past_its_timeout_is_504(node: RunningNode) -> None:
    problem = await node.problem("POST", "/task", json={"function": "hold", "timeout_s": 0.05})
    assert problem["type"] == "/problems/deadline-exceeded"
    await node.idle()
