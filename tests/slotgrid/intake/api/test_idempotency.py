"""`Idempotency-Key` in the modes that live in memory: one key and body is one task."""

import asyncio
from typing import Any

import pytest
from pytest_aiohttp.plugin import AiohttpClient

from slotgrid.core.task_states import TaskState
from tests.harness.in_process.node import RunningNode, events_of, problem_of, running_node

KEYED = {"Idempotency-Key": "order 7"}
ECHO = {"function": "echo", "input": {"value": 1}}


async def _post(node: RunningNode, body: dict[str, Any], path: str = "/task") -> dict[str, Any]:
    async with node.caller.post(path, json=body, headers=KEYED) as answer:
        found: dict[str, Any] = await answer.json(content_type=None)
    return found


async def _callers(node: RunningNode, count: int) -> None:
    """Return when so many wait for the task of the key."""
    claim = node.node.tasks._idempotency._claims["root", "order 7"]
    async with asyncio.timeout(10):
        while claim.callers != count:  # noqa: ASYNC110  the count tells nobody
            await asyncio.sleep(0.001)


async def test_the_same_key_and_body_gives_the_same_answer(node: RunningNode) -> None:
    first = await _post(node, ECHO)
    assert first["result"] == 1
    assert await _post(node, dict(reversed(ECHO.items()))) == first
    other = await node.submit("echo", {"value": 1})
    assert other["id"] != first["id"]


async def test_a_failure_is_the_same_failure_again(node: RunningNode) -> None:
    body = {"function": "fail"}
    first = await _post(node, body)
    assert first["type"] == "/problems/function-failed"
    assert await _post(node, body) == first


async def test_the_same_key_with_another_body_is_a_conflict(node: RunningNode) -> None:
    first = await _post(node, ECHO)
    other = await node.problem("POST", "/task", json=ECHO | {"input": {"value": 2}}, headers=KEYED)
    assert other["type"] == "/problems/conflict"
    assert other["task_id"] == first["id"]
    by_path = await node.problem(
        "POST", "/functions/echo?priority=1", json={"value": 1}, headers=KEYED
    )
    assert by_path["type"] == "/problems/conflict"


async def test_callers_of_one_key_at_the_same_instant_share_one_task(node: RunningNode) -> None:
    calls = [asyncio.create_task(_post(node, {"function": "hold"})) for _ in range(5)]
    task = await node.running_task()
    await _callers(node, 5)
    node.runner.gate.set()
    answers = await asyncio.gather(*calls)
    assert {answer["id"] for answer in answers} == {task.id}
    assert node.runner.started.empty()


async def test_only_the_last_caller_to_leave_takes_the_task_along(node: RunningNode) -> None:
    first = asyncio.create_task(_post(node, {"function": "hold"}))
    task = await node.running_task()
    second = asyncio.create_task(_post(node, {"function": "hold"}))
    await _callers(node, 2)
    first.cancel()
    await _callers(node, 1)
    assert not task.state.terminal
    second.cancel()
    async with asyncio.timeout(10):
        await task.wait_finished()
    assert task.state is TaskState.CANCELLED
    again = await _post(node, {"function": "hold"})
    assert (again["type"], again["task_id"]) == ("/problems/task-cancelled", task.id)


async def test_a_task_that_never_started_leaves_its_key_free(aiohttp_client: AiohttpClient) -> None:
    async with running_node(aiohttp_client, slots=1, queue_limit=0) as node:
        holding = asyncio.create_task(node.submit("hold"))
        await node.running_task()
        refused = await _post(node, ECHO)
        assert refused["type"] == "/problems/queue-full"
        node.runner.gate.set()
        await holding
        assert (await _post(node, ECHO))["result"] == 1


async def test_a_stream_is_told_again_from_its_start(node: RunningNode) -> None:
    body = {"function": "greet", "mode": "stream"}
    whole = []
    for _ in range(2):
        async with node.caller.post("/task", json=body, headers=KEYED) as answer:
            whole.append(await events_of(answer))
    assert whole[0] == whole[1]
    assert [event["id"] for event in whole[0]] == [1, 2, 3, 4, 5, 6]


async def test_a_second_reader_of_a_stream_joins_while_the_first_goes_on(node: RunningNode) -> None:
    body = {"function": "hold", "mode": "stream"}
    async with node.caller.post("/task", json=body, headers=KEYED) as first:
        await first.content.readuntil(b"\n\n")
        async with node.caller.post("/task", json=body, headers=KEYED) as second:
            await second.content.readuntil(b"\n\n")
            node.runner.gate.set()
            assert b"event: done" in await first.read()
            assert b"event: done" in await second.read()


async def test_a_stream_whose_beginning_is_no_longer_kept_is_gone(node: RunningNode) -> None:
    body = {"function": "chatter", "input": {"count": 1500, "size": 1}, "mode": "stream"}
    async with node.caller.post("/task", json=body, headers=KEYED) as answer:
        assert len(await events_of(answer)) == 1501
    async with node.caller.post("/task", json=body, headers=KEYED) as answer:
        assert (await problem_of(answer))["type"] == "/problems/gone"


@pytest.mark.parametrize("key", ["", "x" * 256])
async def test_what_cannot_be_a_key_is_refused(node: RunningNode, key: str) -> None:
    headers = {"Idempotency-Key": key}
    problem = await node.problem("POST", "/task", json=ECHO, headers=headers)
    assert problem["errors"][0]["pointer"] == "Idempotency-Key"


async def test_two_keys_in_one_request_are_refused(node: RunningNode) -> None:
    headers = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    problem = await node.problem("POST", "/task", json=ECHO, headers=headers)
    assert problem["type"] == "/problems/invalid-request"
