"""A balancer's own functions, which need no slot: with no worker, and beside busy ones."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from slotgrid.core.drain import drain
from slotgrid.core.principal import Scope
from tests.balancer.dashboard.test_access import logged_in
from tests.harness.calls import GIVE_UP_S
from tests.harness.in_process.balancer import RunningBalancer
from tests.harness.in_process.functions import CoroutineRunner, ListedCatalog, Speaker, offer
from tests.harness.waiting import until


async def _relay(speaker: Speaker, input_: Mapping[str, Any]) -> Any:
    await speaker.say("status", "relaying")
    if input_["hold"]:
        await speaker.gate.wait()
    return input_["value"]


async def _second_time(speaker: Speaker, _: Mapping[str, Any]) -> Any:
    if len(speaker.task.attempts) == 1:
        raise RuntimeError("not the first time")
    return len(speaker.task.attempts)


class Flows(CoroutineRunner):
    """What a balancer runs itself."""

    async def running(self) -> None:
        """Return when a task of `relay` holds."""
        async with asyncio.timeout(GIVE_UP_S):
            while (await self.started.get()).spec.name != "relay":
                continue


@pytest.fixture
def flows(balancer: RunningBalancer) -> Flows:
    """The balancer's own functions, as it would have read them from its folder."""
    relay = offer(
        "relay",
        _relay,
        properties={"value": {"default": None}, "hold": {"type": "boolean", "default": False}},
        streaming=True,
        needs_slot=False,
    )
    second_time = offer("second_time", _second_time, needs_slot=False, retries=1)
    catalog = ListedCatalog([relay, second_time])
    runner = Flows(catalog, balancer.balancer.artifacts)
    balancer.balancer.runners.slotless["flow"] = runner
    balancer.balancer.catalog.replace_own(catalog.specs())
    return runner


def _counts(balancer: RunningBalancer) -> tuple[int, int, int, int]:
    node = balancer.balancer
    return (
        node.dispatcher.leased,
        node.fleet.in_flight,
        node.supervisor.running,
        node.health.mismatch(),
    )


async def _accepted(balancer: RunningBalancer, function: str, **fields: Any) -> str:
    answer = await balancer.submit(function, mode="async", **fields)
    assert answer.status == 202, answer.body
    return str(answer.json["id"])


async def _ended(balancer: RunningBalancer, task_id: str) -> Any:
    task = (await balancer.get(f"/tasks/{task_id}", wait_s="20"))["task"]
    assert task["finished_at"] is not None, task
    return task


async def test_a_balancer_without_a_worker_runs_its_own_function(
    balancer: RunningBalancer, flows: Flows
) -> None:
    call = balancer.start("relay", value=7, hold=True)
    await flows.running()
    assert _counts(balancer) == (0, 0, 0, 0)
    metrics = (await balancer.request("GET", "/metrics")).body.decode()
    assert "\nslotgrid_slot_mismatch 0.0\n" in metrics
    flows.gate.set()
    answer = (await call).json
    assert (answer["result"], answer["worker"]) == (7, "test-balancer")
    (group,) = (await balancer.get("/groups"))["groups"]
    assert (group["name"], group["flows_count"], group["workers"]) == ("default", 2, 0)
    events = await balancer.stream("relay", value=8)
    assert [kind for kind, _ in events] == ["state", "status", "done"]
    problem = await balancer.problem("relay", 400, input={"hold": "no"})
    assert problem["errors"][0]["pointer"] == "/input/hold"
    flows.gate.clear()
    await balancer.problem("relay", 504, input={"hold": True}, timeout_s=0.05)


async def test_own_functions_are_listed_beside_those_of_workers(
    balancer: RunningBalancer, flows: Flows
) -> None:
    await balancer.worker("worker-1")
    functions = (await balancer.get("/functions"))["functions"]
    kinds = {function["name"]: function["kind"] for function in functions}
    assert (kinds["relay"], kinds["echo"]) == ("flow", "python")
    assert (await balancer.get("/functions/relay"))["kind"] == "flow"
    (group,) = (await balancer.get("/groups"))["groups"]
    assert (group["flows_count"], group["workers"]) == (2, 1)
    assert group["functions_count"] == list(kinds.values()).count("python")
    schemas = (await balancer.get("/openapi"))["components"]["schemas"]
    assert {"relay.input", "echo.input"} <= schemas.keys()
    health = await balancer.get("/health")
    assert "relay" in {function["name"] for function in health["functions"]}
    problem = await balancer.problem("relai", 404)
    assert problem["suggestions"][0] == "relay"


async def test_an_own_function_starts_while_all_slots_are_busy(
    balancer: RunningBalancer, flows: Flows
) -> None:
    await balancer.worker("worker-1", SLOTS=1)
    napping = balancer.start("nap")
    await balancer.until_running(1)
    waiting = balancer.start("echo", value=1)
    await until(lambda: balancer.balancer.dispatcher.waiting == 1, GIVE_UP_S)
    call = balancer.start("relay", fields={"wait_s": 0}, value=2, hold=True)
    await flows.running()
    assert _counts(balancer) == (1, 1, 1, 0)
    assert (await balancer.get("/health"))["slots"]["queue"] == 1
    reader = logged_in(balancer, Scope.READ, Scope.OPERATE)
    page = (await reader.get("/dashboard")).body.decode()
    assert ">relay</th>" in page
    assert "workers/worker-1" in page
    assert "workers/test-balancer" not in page
    flows.gate.set()
    assert (await call).json["result"] == 2
    assert not napping.done()
    assert not waiting.done()


async def test_a_durable_own_function_is_recorded_retried_and_cancelled(
    balancer: RunningBalancer, flows: Flows
) -> None:
    twice = await _ended(balancer, await _accepted(balancer, "second_time"))
    assert (twice["status"], twice["result"]) == ("completed", 2)
    assert [attempt["number"] for attempt in twice["attempts"]] == [1, 2]
    held = await _accepted(balancer, "relay", input={"hold": True})
    await flows.running()
    cancelled = await balancer.request("POST", f"/tasks/{held}/cancel")
    assert cancelled.json["status"] == "cancelled"
    assert (await _ended(balancer, held))["status"] == "cancelled"
    listed = (await balancer.get("/tasks", worker="test-balancer"))["tasks"]
    assert {task["id"] for task in listed} == {twice["id"], held}
    assert _counts(balancer) == (0, 0, 0, 0)


async def test_maintenance_and_drain_hold_for_own_functions(
    balancer: RunningBalancer, flows: Flows
) -> None:
    call, late = balancer.start("relay", value=1, hold=True), balancer.start("relay", hold=True)
    await flows.running()
    await flows.running()
    await balancer.request("POST", "/off")
    assert (await balancer.problem("relay", 503))["type"] == "/problems/maintenance"
    node = balancer.balancer
    ended: list[str] = []
    report = await drain(
        node.status, node.supervisor, deadline_s=0.1, on_end=lambda task: ended.append(task.id)
    )
    assert (await call).status == (await late).status == 409
    assert report.outcomes == {"cancelled": 2}
    assert len(ended) == 2
