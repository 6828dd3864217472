"""What is refused before it becomes a task, and in which words."""

import json
from typing import Any

import pytest
from aiohttp import FormData
from pytest_aiohttp.plugin import AiohttpClient

from tests.harness.environment import KEY
from tests.harness.in_process.functions import offer
from tests.harness.in_process.node import RunningNode, problem_of, running_node

GREET = {"function": "greet"}


async def refused(node: RunningNode, body: object, **asked: Any) -> dict[str, Any]:
    """The problem that a body is refused with; no task was made of it."""
    problem = await node.problem("POST", "/task", json=body, **asked)
    assert node.history.get(problem.get("task_id", "")) is None
    assert len(node.history) == 0
    return problem


def pointers(problem: dict[str, Any]) -> list[str]:
    return [fault["pointer"] for fault in problem["errors"]]


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


async def test_a_body_beyond_the_limit_is_413_with_or_without_a_length(
    aiohttp_client: AiohttpClient,
) -> None:
    async def pieces() -> Any:
        for _ in range(64):
            yield b" " * 1024

    json_type = {"Content-Type": "application/json"}
    async with running_node(aiohttp_client, body_limit=8 * 1024) as node:
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
    assert len(node.history) == 0


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


async def test_a_violation_of_a_secret_does_not_tell_it(aiohttp_client: AiohttpClient) -> None:
    async def nothing(*_: object) -> None: ...

    secret = {"type": "string", "writeOnly": True, "maxLength": 3}
    async with running_node(
        aiohttp_client, offer("login", nothing, properties={"password": secret})
    ) as node:
        body = {"function": "login", "input": {"password": "hunter2"}}
        problem = await node.problem("POST", "/task", json=body)
        assert pointers(problem) == ["/input/password"]
        assert "hunter2" not in json.dumps(problem)
