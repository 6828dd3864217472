"""The node itself: how it is, what it counts and logs, its switches; and its functions."""

import asyncio
from typing import Any

import pytest
import structlog
from pytest_aiohttp.plugin import AiohttpClient

from slotgrid.core.errors import problem_types
from slotgrid.core.node_state import NodeState
from tests.harness.in_process.node import RunningNode, problem_of, running_node


async def switched(node: RunningNode, path: str, **asked: Any) -> dict[str, Any]:
    async with node.caller.post(path, **asked) as answer:
        assert answer.status == 200, await answer.text()
        body: dict[str, Any] = await answer.json()
        return body


async def ready(node: RunningNode) -> int:
    async with node.stranger.get("/readyz") as answer:
        return answer.status


async def test_functions_are_listed_by_name(node: RunningNode) -> None:
    listed = await node.get("/functions")
    names = [one["name"] for one in listed["functions"]]
    assert names == sorted(names)
    assert listed["total"] == len(names)
    page = await node.get("/functions", limit="2", offset="1")
    assert [one["name"] for one in page["functions"]] == names[1:3]
    assert page["total"] == len(names)


async def test_one_function_has_its_schema(node: RunningNode) -> None:
    found = await node.get("/functions/shop/price")
    assert found["input"]["required"] == ["amount"]
    assert found == await node.get("/functions/shop%2Fprice")
    problem = await node.problem("GET", "/functions/shop/prices")
    assert problem["suggestions"] == ["shop/price"]


async def test_functions_are_told_by_group_and_contract(node: RunningNode) -> None:
    everything = await node.get("/functions")
    assert await node.get("/functions", group="default", contract="1") == everything
    assert await node.get("/functions", group="news") == {"functions": [], "total": 0}
    assert await node.get("/functions", contract="2") == {"functions": [], "total": 0}
    found = await node.get("/functions/shop/price", group="default", contract="1")
    assert found["name"] == "shop/price"
    for query in ("group=news", "contract=2"):
        problem = await node.problem("GET", f"/functions/shop/price?{query}")
        assert problem["type"] == "/problems/unknown-function"
    problem = await node.problem("GET", "/functions?contract=newest")
    assert problem["errors"][0]["pointer"] == "?contract"


async def test_health_tells_strangers_its_status_only(node: RunningNode) -> None:
    async with node.stranger.get("/health") as answer:
        assert await answer.json() == {"status": "ready"}
    async with node.stranger.get("/health", headers={"Authorization": "wrong"}) as answer:
        assert await answer.json() == {"status": "ready"}
    detail = await node.get("/health")
    assert detail["pools"] == {"default": {"size": 2, "free": 2, "busy": 0}}


async def test_livez_answers_whatever_the_state(node: RunningNode) -> None:
    for state in (NodeState.MAINTENANCE, NodeState.DRAINING):
        node.node.status.move_to(state)
        async with node.stranger.get("/livez") as answer:
            assert await answer.json() == {"status": "alive"}
        assert await ready(node) == 503


async def test_maintenance_refuses_new_tasks_and_finishes_those_that_are_here(
    node: RunningNode,
) -> None:
    holding = asyncio.create_task(node.submit("hold"))
    await node.running_task()
    off = await switched(node, "/off")
    assert off == {
        "status": "maintenance",
        "message": "refuses new tasks; tasks still to finish: 1",
    }
    assert (await switched(node, "/off"))["status"] == "maintenance"
    assert await ready(node) == 503
    async with node.caller.post("/task", json={"function": "greet"}) as answer:
        assert (await problem_of(answer))["type"] == "/problems/maintenance"
        assert int(answer.headers["Retry-After"]) > 0
    node.runner.gate.set()
    assert (await holding)["result"] == "released"
    assert (await switched(node, "/on"))["status"] == "ready"
    assert (await switched(node, "/on"))["status"] == "ready"
    assert await ready(node) == 200
    await node.submit("greet")


async def test_a_node_that_is_starting_takes_no_tasks_and_cannot_be_hurried(
    aiohttp_client: AiohttpClient,
) -> None:
    async with running_node(aiohttp_client) as node:
        node.node.status.state = NodeState.STARTING
        for path, body in (("/task", {"function": "greet"}), ("/on", {})):
            async with node.caller.post(path, json=body) as answer:
                problem = await problem_of(answer)
                assert (problem["type"], problem["reason"]) == ("/problems/no-worker", "starting")
                assert answer.headers["Retry-After"] == "1"


async def test_a_drain_refuses_from_its_answer_on_and_cannot_be_taken_back(
    node: RunningNode,
) -> None:
    assert (await switched(node, "/drain", json={"deadline_s": 2.5}))["status"] == "draining"
    assert (await switched(node, "/drain"))["status"] == "draining"
    assert node.drains == [2.5, None]
    async with node.caller.post("/task", json={"function": "greet"}) as answer:
        assert (await problem_of(answer))["type"] == "/problems/draining"
        assert "Retry-After" in answer.headers
    for path in ("/on", "/off"):
        assert (await node.problem("POST", path))["type"] == "/problems/conflict"


@pytest.mark.parametrize(
    "body", [{"deadline_s": -1}, {"deadline_s": "1"}, {"deadline_s": True}, {"deadline": 1}, [], 3]
)
async def test_a_drain_that_cannot_be_read_is_refused(node: RunningNode, body: object) -> None:
    problem = await node.problem("POST", "/drain", json=body)
    assert problem["type"] == "/problems/invalid-request"
    assert node.drains == []
    assert await ready(node) == 200


async def test_metrics_ask_for_a_key_unless_they_are_public(
    aiohttp_client: AiohttpClient, node: RunningNode
) -> None:
    await node.submit("greet")
    async with node.caller.get("/metrics") as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        assert "slotgrid_tasks_total{" in await answer.text()
    async with node.stranger.get("/metrics") as answer:
        assert answer.status == 401
    async with (
        running_node(aiohttp_client, metrics_public=True) as other,
        other.stranger.get("/metrics") as answer,
    ):
        assert answer.status == 200


async def test_refusals_are_counted_by_their_reason(node: RunningNode) -> None:
    await node.problem("POST", "/task", json={"function": "none"})
    await node.problem("POST", "/task", json={"function": "greet", "input": {"name": 1}})
    async with node.caller.get("/metrics") as answer:
        text = await answer.text()
    assert 'slotgrid_refused_total{reason="unknown-function"} 1.0' in text
    assert 'slotgrid_refused_total{reason="invalid-input"} 1.0' in text


async def test_the_last_log_lines_can_be_had_by_level(node: RunningNode) -> None:
    log = structlog.get_logger()
    log.info("test.info", number=1)
    log.error("test.error", number=2)
    whole = (await node.get("/logs"))["logs"]
    assert [line["event"] for line in whole[-2:]] == ["test.info", "test.error"]
    errors = (await node.get("/logs", level="error"))["logs"]
    assert [(line["event"], line["number"]) for line in errors] == [("test.error", 2)]
    assert (await node.get("/logs", limit="1"))["logs"] == whole[-1:]
    for name, value in (("level", "loud"), ("limit", "0")):
        problem = await node.problem("GET", "/logs", params={name: value})
        assert problem["errors"][0]["pointer"] == f"?{name}"


async def test_every_problem_type_leads_to_a_page_that_says_what_to_do(node: RunningNode) -> None:
    for name, cls in problem_types().items():
        async with node.stranger.get(f"/problems/{name}") as answer:
            assert answer.status == 200
            assert answer.content_type == "text/html"
            assert "What to do" in await answer.text()
        as_json = {"Accept": "application/json"}
        async with node.stranger.get(f"/problems/{name}", headers=as_json) as answer:
            assert (await answer.json())["advice"] == cls.advice
    problem = await node.problem("GET", "/problems/<script>")
    assert problem["type"] == "/problems/not-found"


async def test_a_path_that_is_not_there_is_404_and_another_method_405(node: RunningNode) -> None:
    for path in ("/nothing", "/tasks/", "/task/x", "/%2e%2e/etc"):
        async with node.stranger.get(path) as answer:
            assert (await problem_of(answer))["type"] == "/problems/not-found"
    async with node.stranger.get("/task") as answer:
        assert (await problem_of(answer))["type"] == "/problems/method-not-allowed"
        assert answer.headers["Allow"] == "POST"


async def test_a_head_is_answered_like_its_get(node: RunningNode) -> None:
    async with node.caller.head("/functions") as answer:
        assert answer.status == 200
        assert await answer.read() == b""
    async with node.stranger.head("/functions") as answer:
        assert answer.status == 401


async def test_a_defect_of_ours_is_told_as_one_and_logged(
    node: RunningNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("the test's")

    monkeypatch.setattr(node.repository, "select", broken)
    problem = await node.problem("GET", "/tasks")
    monkeypatch.undo()
    assert problem["type"] == "/problems/internal"
    assert "the test's" not in problem["detail"]
    logged = (await node.get("/logs", level="error"))["logs"][-1]
    assert logged["event"] == "request.defect"
    assert "ZeroDivisionError" in logged["exception"]
