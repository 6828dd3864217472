"""What a task said and wrote, to be read again or followed."""

import asyncio
import json
from typing import Any

from slotgrid.core.task import Task
from slotgrid.core.task_states import TaskState
from tests.harness.in_process.checked_answers import frames
from tests.harness.in_process.node import RunningNode, events_of
from tests.slotgrid.intake.api.tasks import ended


async def test_who_waits_for_a_task_may_leave_without_taking_it_along(
    node: RunningNode, holding: Task
) -> None:
    for path in ("?wait_s=60", "/events", "/logs?follow=true"):
        leaving = asyncio.create_task(node.caller.get(f"/tasks/{holding.id}{path}"))
        await node.get("/livez")
        leaving.cancel()
        await node.get("/livez")
    assert holding.state is TaskState.RUNNING


async def test_events_can_be_followed_from_the_start_or_from_behind_any_of_them(
    node: RunningNode,
) -> None:
    task_id = await ended(node, "greet")
    async with node.caller.get(f"/tasks/{task_id}/events") as answer:
        whole = await events_of(answer)
    assert [event["id"] for event in whole] == [1, 2, 3, 4, 5, 6]
    async with node.caller.get(
        f"/tasks/{task_id}/events", headers={"Last-Event-ID": "4"}
    ) as answer:
        assert await events_of(answer) == whole[4:]
    async with node.caller.get(f"/tasks/{task_id}/events?last_event_id=5") as answer:
        assert await events_of(answer) == whole[5:]
    async with node.caller.get(
        f"/tasks/{task_id}/events", headers={"Last-Event-ID": "6"}
    ) as answer:
        assert await answer.read() == b""
    problem = await node.problem(
        "GET", f"/tasks/{task_id}/events", headers={"Last-Event-ID": "one"}
    )
    assert problem["status"] == 400


async def test_events_of_a_running_task_go_on_live(node: RunningNode, holding: Task) -> None:
    async with node.caller.get(f"/tasks/{holding.id}/events") as answer:
        assert b"event: status" in await answer.content.readuntil(b"\n\n")
        node.runner.gate.set()
        assert b"event: done" in await answer.read()


async def test_events_that_are_no_longer_kept_are_said_to_be_missing(node: RunningNode) -> None:
    task_id = await ended(node, "chatter", {"count": 1500, "size": 1})
    async with node.caller.get(f"/tasks/{task_id}/events") as answer:
        events = await events_of(answer)
    assert events[0] == {
        "event": "missed",
        "data": {"text": "501 earlier events were evicted", "data": 501},
    }
    assert events[1]["id"] == 502
    assert events[-1]["event"] == "done"


async def test_a_reader_that_events_outrun_is_told_how_many_it_missed(node: RunningNode) -> None:
    count = 4000
    call = asyncio.create_task(node.submit("chatter", {"count": count, "size": 8 * 1024}))
    task = await node.running_task()
    async with node.unread("GET", f"/tasks/{task.id}/events") as answer:
        await call
        events = list(frames(await answer.read()))
    missed = sum(event["data"]["data"] for event in events if event["event"] == "missed")
    assert missed > 0
    assert missed + sum("id" in event for event in events) == count + 1
    assert events[-1]["event"] == "done"


async def test_logs_are_lines_of_json_by_the_step(node: RunningNode) -> None:
    task_id = await ended(node, "steps")

    async def lines(path: str) -> list[dict[str, Any]]:
        async with node.caller.get(f"/tasks/{task_id}{path}") as answer:
            assert answer.content_type == "application/x-ndjson"
            return [json.loads(line) for line in (await answer.text()).splitlines()]

    whole = await lines("/logs")
    assert {line["step"] for line in whole} == {"_node", "main", "greet-1"}
    assert [line["line"] for line in await lines("/steps/greet-1/logs")] == ["a line of the step"]
    assert [line["line"] for line in await lines("/steps/main/logs")] == ["a line of the function"]
    assert await lines("/steps/_node/logs") == [line for line in whole if line["step"] == "_node"]
    assert await lines("/logs?follow=true") == whole
    problem = await node.problem("GET", f"/tasks/{task_id}/steps/other/logs")
    assert problem["type"] == "/problems/not-found"
    problem = await node.problem("GET", f"/tasks/{task_id}/logs?follow=perhaps")
    assert problem["errors"][0]["pointer"] == "?follow"


async def test_a_log_that_is_followed_ends_with_its_task(node: RunningNode, holding: Task) -> None:
    async with node.caller.get(f"/tasks/{holding.id}/logs", params={"follow": "true"}) as answer:
        assert "attempt 1" in json.loads(await answer.content.readline())["line"]
        holding.log("something new", step="main")
        assert json.loads(await answer.content.readline())["line"] == "something new"
        node.runner.gate.set()
        last = (await answer.text()).splitlines()[-1]
    assert json.loads(last)["line"] == "completed"
