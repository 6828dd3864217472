"""`POST /task` and `POST /functions/{name}`: what is taken, what is refused, and how it ends."""

import asyncio
import json
from typing import Any

import pytest
from aiohttp import FormData

from slotgrid.core.task import TaskState
from tests.slotgrid.intake.functions import offer
from tests.slotgrid.intake.nodes import KEY, NAME, RunningNode, problem_of, running_node

GREET = {"function": "greet"}


async def refused(node: RunningNode, body: object, **asked: Any) -> dict[str, Any]:
    """The problem that a body is refused with; no task was made of it."""
    problem = await node.problem("POST", "/task", json=body, **asked)
    assert node.node.history.get(problem.get("task_id", "")) is None
    assert len(node.node.history) == 0
    return problem


def pointers(problem: dict[str, Any]) -> list[str]:
    return [fault["pointer"] for fault in problem["errors"]]


async def test_a_sync_task_answers_with_its_result(node: RunningNode) -> None:
    answer = await node.submit("greet", {"name": "Ada"})
    assert answer["success"] is True
    assert answer["result"] == {"message": "Hello, Ada!"}
    assert answer["worker"] == NAME
    task = (await node.get(f"/tasks/{answer['id']}"))["task"]
    assert task["input"] == {"name": "Ada"}


async def test_defaults_are_filled_in(node: RunningNode) -> None:
    assert (await node.submit("greet"))["result"] == {"message": "Hello, World!"}


@pytest.mark.parametrize("value", [None, 0, "", "ü€😀", [1, [2]], {"a": {"b": None}}, 1e300])
async def test_any_json_comes_back_as_it_was(node: RunningNode, value: object) -> None:
    assert (await node.submit("echo", {"value": value}))["result"] == value


async def test_an_unknown_function_is_404_with_the_nearest_names(node: RunningNode) -> None:
    problem = await refused(node, {"function": "gret"})
    assert problem["type"] == "/problems/unknown-function"
    assert problem["status"] == 404
    assert problem["suggestions"] == ["greet"]
    assert "'greet'" in problem["detail"]
    assert (await node.problem("POST", "/functions/price"))["suggestions"] == ["shop/price"]


async def test_every_fault_of_a_request_is_told_at_once(node: RunningNode) -> None:
    body = {
        "function": "greet",
        "inptu": {},
        "priority": 0,
        "mode": "later",
        "timeout_s": 0,
        "place": {"labels": {"zone": 1}},
    }
    problem = await refused(node, body)
    assert problem["type"] == "/problems/invalid-request"
    assert pointers(problem) == ["/inptu", "/priority", "/mode", "/timeout_s", "/place/labels/zone"]
    assert 'did you mean "input"?' in problem["errors"][0]["message"]


async def test_every_fault_of_an_input_is_told_at_once(node: RunningNode) -> None:
    problem = await refused(node, {"function": "chatter", "input": {"count": "1", "more": 2}})
    assert problem["type"] == "/problems/invalid-input"
    assert pointers(problem) == ["/input", "/input", "/input/count"]
    messages = " ".join(fault["message"] for fault in problem["errors"])
    assert "'size' is a required property" in messages
    assert "'more' was unexpected" in messages


@pytest.mark.parametrize("priority", [0, -1, "high", "5", 1.5, True, None])
async def test_a_priority_is_a_whole_number_from_1(node: RunningNode, priority: object) -> None:
    problem = await refused(node, {**GREET, "priority": priority})
    assert pointers(problem) == ["/priority"]


async def test_a_priority_beyond_9_counts_as_9(node: RunningNode) -> None:
    answer = await node.submit("greet", priority=1000)
    assert (await node.get(f"/tasks/{answer['id']}"))["task"]["priority"] == 9


@pytest.mark.parametrize(
    ("timeout_s", "word"), [(0, "above 0"), (-1, "above 0"), (30.5, "at most 30")]
)
async def test_a_timeout_is_above_0_and_at_most_the_function_s(
    node: RunningNode, timeout_s: float, word: str
) -> None:
    problem = await refused(node, {**GREET, "timeout_s": timeout_s})
    assert pointers(problem) == ["/timeout_s"]
    assert word in problem["detail"]


async def test_another_contract_is_refused_and_both_are_named(node: RunningNode) -> None:
    problem = await refused(node, {**GREET, "contract": 7})
    assert problem["type"] == "/problems/contract-mismatch"
    assert "contract 7" in problem["detail"]
    assert "contract 1" in problem["detail"]


async def test_another_group_is_404(node: RunningNode) -> None:
    problem = await refused(node, {**GREET, "group": "other"})
    assert problem["type"] == "/problems/unknown-group"


async def test_a_stream_of_a_function_that_does_not_stream_is_refused(node: RunningNode) -> None:
    problem = await refused(node, {"function": "echo", "input": {"value": 1}, "mode": "stream"})
    assert problem["type"] == "/problems/mode-unsupported"
    assert "sync" in problem["detail"]


@pytest.mark.parametrize(
    "fields", [{"mode": "async"}, {"mode": "webhook", "webhook": {"url": "http://example.com"}}]
)
async def test_durable_modes_are_refused_where_there_is_no_database(
    node: RunningNode, fields: dict[str, Any]
) -> None:
    problem = await refused(node, {**GREET, **fields})
    assert problem["type"] == "/problems/mode-unsupported"


@pytest.mark.parametrize(
    ("place", "name", "status"),
    [
        ({"worker": "elsewhere"}, "no-worker", 503),
        ({"labels": {"zone": "b"}}, "no-worker", 503),
        ({"pool": "logins"}, "invalid-request", 400),
    ],
)
async def test_a_place_that_is_not_here_is_refused(
    node: RunningNode, place: dict[str, Any], name: str, status: int
) -> None:
    async with node.caller.post("/task", json={**GREET, "place": place}) as answer:
        problem = await problem_of(answer)
        assert (problem["type"], problem["status"]) == (f"/problems/{name}", status)
        assert ("Retry-After" in answer.headers) == (status == 503)


@pytest.mark.parametrize("body", [b"{", b"", b"nonsense", b"\xff\xfe", b'{"function": NaN}'])
async def test_what_is_not_json_is_refused(node: RunningNode, body: bytes) -> None:
    problem = await node.problem(
        "POST", "/task", data=body, headers={"Content-Type": "application/json"}
    )
    assert problem["type"] == "/problems/invalid-request"


@pytest.mark.parametrize("body", [[], "text", 3, True])
async def test_a_body_that_is_no_object_is_refused(node: RunningNode, body: object) -> None:
    assert "expected an object" in (await refused(node, body))["detail"]


async def test_another_content_type_is_415(node: RunningNode) -> None:
    for data in (FormData({"function": "greet"}), b"function=greet"):
        problem = await node.problem("POST", "/task", data=data)
        assert problem["type"] == "/problems/unsupported-media-type"


async def test_a_body_beyond_the_limit_is_413_with_or_without_a_length() -> None:
    async def pieces() -> Any:
        for _ in range(64):
            yield b" " * 1024

    json_type = {"Content-Type": "application/json"}
    async with running_node(body_limit=8 * 1024) as node:
        for data in (b" " * 64 * 1024, pieces()):
            problem = await node.problem("POST", "/task", data=data, headers=json_type)
            assert problem["type"] == "/problems/body-too-large"
            assert "8192" in problem["detail"]


@pytest.mark.parametrize(
    "header", [None, "", "wrong", f"{KEY}x", f"Basic {KEY}", "Bearer", "\u00e9"]
)
async def test_without_a_valid_key_nothing_is_run(node: RunningNode, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    async with node.stranger.post("/task", json=GREET, headers=headers) as answer:
        problem = await problem_of(answer)
        assert problem["type"] == "/problems/unauthorized"
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert len(node.node.history) == 0


@pytest.mark.parametrize("header", [KEY, f"Bearer {KEY}", f"bearer  {KEY} "])
async def test_a_key_is_shown_raw_or_as_a_bearer(node: RunningNode, header: str) -> None:
    async with node.stranger.post("/task", json=GREET, headers={"Authorization": header}) as answer:
        assert answer.status == 200


async def test_a_function_that_raises_is_500_and_the_task_is_there_to_see(
    node: RunningNode,
) -> None:
    problem = await node.problem("POST", "/task", json={"function": "fail"})
    assert problem["type"] == "/problems/function-failed"
    assert problem["error"] == "no luck"
    task = (await node.get(f"/tasks/{problem['task_id']}"))["task"]
    assert task["status"] == "failed"
    assert task["error"]["type"] == "/problems/function-failed"


async def test_a_task_past_its_timeout_is_504(node: RunningNode) -> None:
    problem = await node.problem("POST", "/task", json={"function": "hold", "timeout_s": 0.05})
    assert problem["type"] == "/problems/deadline-exceeded"
    await node.idle()


async def test_a_task_that_gets_no_slot_in_time_is_504_and_says_why() -> None:
    async with running_node(slots=1) as node:
        holding = asyncio.create_task(node.submit("hold"))
        await node.running_task()
        problem = await node.problem("POST", "/task", json={**GREET, "wait_s": 0})
        assert problem["type"] == "/problems/wait-exceeded"
        assert problem["position"] == 1
        assert problem["reason"] == "every slot is busy"
        node.runner.gate.set()
        assert (await holding)["result"] == "released"


async def test_a_full_queue_is_503_with_retry_after() -> None:
    async with running_node(slots=1, queue_limit=1) as node:
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
    assert task.error.reason == "the caller left"
    await node.idle()


async def test_a_caller_who_hangs_up_while_it_waits_leaves_the_queue() -> None:
    async with running_node(slots=1) as node:
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


async def test_priorities_decide_who_is_next() -> None:
    async with running_node(slots=1) as node:
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


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"priority": "high"}, "/priority"),
        ({"priority": "0"}, "/priority"),
        ({"timeout_s": "soon"}, "/timeout_s"),
        ({"place": "[]"}, "/place"),
        ({"metadata": "text"}, "/metadata"),
        ({"unknown": "1"}, "/unknown"),
        ({"input": "{}"}, "/input"),
        ({"function": "echo"}, "/function"),
    ],
)
async def test_a_query_is_checked_like_a_body(
    node: RunningNode, query: dict[str, str], pointer: str
) -> None:
    problem = await node.problem("POST", "/functions/greet", params=query)
    assert pointers(problem) == [pointer]


async def test_a_violation_of_a_secret_does_not_tell_it() -> None:
    async def nothing(*_: object) -> None: ...

    secret = {"type": "string", "writeOnly": True, "maxLength": 3}
    async with running_node(offer("login", nothing, properties={"password": secret})) as node:
        body = {"function": "login", "input": {"password": "hunter2"}}
        problem = await node.problem("POST", "/task", json=body)
        assert pointers(problem) == ["/input/password"]
        assert "hunter2" not in json.dumps(problem)


async def test_trace_headers_are_carried_through(node: RunningNode) -> None:
    trace = {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
    async with node.caller.post("/task", json=GREET, headers=trace) as answer:
        task = node.node.history.get((await answer.json())["id"])
    assert task is not None
    assert dict(task.submission.trace) == trace


async def test_a_flood_of_tasks_is_bounded_and_none_is_lost() -> None:
    async with running_node(slots=2, queue_limit=20) as node:

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
