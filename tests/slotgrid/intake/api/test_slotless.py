"""Functions that need no slot, on a node of one slot: durable, and beside a long queue."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pytest_aiohttp.plugin import AiohttpClient

from slotgrid.durable.prefetch_buffer import BUFFER_SIZE
from tests.harness.in_process.functions import Speaker, offer
from tests.harness.in_process.node import RunningNode, events_of, running_node


async def _relay(speaker: Speaker, input_: Mapping[str, Any]) -> Any:
    await speaker.say("status", "relaying")
    speaker.task.log("a line of the flow", step="main")
    if input_["hold"]:
        await speaker.gate.wait()
    return input_["value"]


RELAY = offer(
    "relay",
    _relay,
    properties={"value": {"default": None}, "hold": {"type": "boolean", "default": False}},
    streaming=True,
    needs_slot=False,
)


@pytest.fixture
async def node(aiohttp_client: AiohttpClient) -> AsyncIterator[RunningNode]:
    async with running_node(aiohttp_client, RELAY, durable=True, slots=1) as running:
        yield running


async def _accept(node: RunningNode, function: str, **fields: Any) -> str:
    body = {"function": function, "mode": "async", **fields}
    async with node.caller.post("/task", json=body) as answer:
        assert answer.status == 202, await answer.text()
        accepted: dict[str, Any] = await answer.json()
    return str(accepted["id"])


async def _ended(node: RunningNode, task_id: str) -> dict[str, Any]:
    task: dict[str, Any] = (await node.get(f"/tasks/{task_id}", wait_s="20"))["task"]
    assert task["finished_at"] is not None, task
    return task


async def test_a_durable_task_without_a_slot_passes_all_that_wait_for_one(
    node: RunningNode,
) -> None:
    await _accept(node, "hold")
    await node.running_task()
    # More than the prefetch buffer holds, so that some wait on disk.
    waiting = [{"function": "echo", "input": {"value": n}} for n in range(BUFFER_SIZE + 50)]
    async with node.caller.post("/tasks", json={"tasks": waiting}) as answer:
        assert answer.status == 202, await answer.text()
    ids = await asyncio.gather(
        *(_accept(node, "relay", input={"value": n}, priority=9) for n in range(10))
    )
    results = [(await _ended(node, task_id))["result"] for task_id in ids]
    assert results == list(range(10))
    assert (node.slots.used, node.node.dispatcher.waiting) == (1, BUFFER_SIZE)
    node.runner.gate.set()


async def test_more_than_the_buffer_holds_run_at_the_same_time(node: RunningNode) -> None:
    count = BUFFER_SIZE + 50
    flows = [{"function": "relay", "input": {"value": n, "hold": True}} for n in range(count)]
    async with node.caller.post("/tasks", json={"tasks": flows}) as answer:
        assert answer.status == 202, await answer.text()
        accepted = (await answer.json())["tasks"]
    for _ in range(count):
        await node.running_task()
    await node.submit("echo", {"value": 1})  # the slot is free
    node.runner.gate.set()
    assert {(await _ended(node, one["id"]))["status"] for one in accepted} == {"completed"}


async def test_a_durable_task_without_a_slot_is_recorded_like_others(node: RunningNode) -> None:
    task_id = await _accept(node, "relay", input={"value": 7, "hold": True})
    task = await node.running_task()
    shown = (await node.get(f"/tasks/{task_id}"))["task"]
    assert (shown["status"], shown["worker"], shown["queue_position"]) == (
        "running",
        "test-node",
        None,
    )
    assert shown["attempts"][0]["slot"] is None
    node.runner.gate.set()
    await _ended(node, task_id)
    async with node.caller.get(f"/tasks/{task_id}/events") as answer:
        events = await events_of(answer)
    assert [(one["event"], one["data"].get("text")) for one in events] == [
        ("state", "running"),
        ("status", "relaying"),
        ("done", None),
    ]
    await node.idle()
    node.history.remove(task.id)  # so that the record answers
    recorded = await _ended(node, task_id)
    assert (recorded["status"], recorded["kind"], recorded["result"]) == ("completed", "flow", 7)
    async with node.caller.get(f"/tasks/{task_id}/logs") as answer:
        assert '"a line of the flow"' in await answer.text()


async def test_a_durable_task_without_a_slot_is_cancelled_and_tried_again(
    node: RunningNode,
) -> None:
    task_id = await _accept(node, "relay", input={"hold": True})
    await node.running_task()
    async with node.caller.post(f"/tasks/{task_id}/cancel") as answer:
        assert (await answer.json())["status"] == "cancelled"
    assert (await _ended(node, task_id))["status"] == "cancelled"
    async with node.caller.post(f"/tasks/{task_id}/retry") as answer:
        assert answer.status == 202, await answer.text()
        again = (await answer.json())["id"]
    await node.running_task()
    node.runner.gate.set()
    assert (await _ended(node, again))["status"] == "completed"


async def test_a_task_without_a_slot_has_a_deadline(node: RunningNode) -> None:
    body = {"function": "relay", "input": {"hold": True}, "timeout_s": 0.05}
    problem = await node.problem("POST", "/task", json=body)
    assert problem["type"] == "/problems/deadline-exceeded"


async def test_a_stream_without_a_slot_has_its_events(node: RunningNode) -> None:
    body = {"function": "relay", "input": {"value": 3}, "mode": "stream"}
    async with node.caller.post("/task", json=body) as answer:
        events = await events_of(answer)
    assert [one["event"] for one in events] == ["state", "status", "done"]
    assert events[-1]["data"]["result"] == 3


async def test_in_maintenance_a_task_without_a_slot_is_refused_and_a_running_one_ends(
    node: RunningNode,
) -> None:
    running = await _accept(node, "relay", input={"hold": True})
    await node.running_task()
    await node.caller.post("/off")
    problem = await node.problem("POST", "/task", json={"function": "relay"})
    assert problem["type"] == "/problems/maintenance"
    node.runner.gate.set()
    assert (await _ended(node, running))["status"] == "completed"


async def test_a_task_without_a_slot_that_waits_on_disk_runs_after_a_restart(
    tmp_path: Path, aiohttp_client: AiohttpClient
) -> None:
    later = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
    async with running_node(aiohttp_client, RELAY, durable=True, data_dir=tmp_path) as node:
        task_id = await _accept(node, "relay", input={"value": 5}, not_before=later)
    async with running_node(aiohttp_client, RELAY, durable=True, data_dir=tmp_path) as node:
        assert (await _ended(node, task_id))["result"] == 5
