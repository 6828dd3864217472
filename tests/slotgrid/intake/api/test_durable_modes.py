"""Modes `async` and `webhook` through the API: what 202 promises, and what becomes of it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientPayloadError, web
from pytest_aiohttp.plugin import AiohttpClient, AiohttpServer

from slotgrid.core.errors import DatabaseUnavailable
from tests.harness.in_process.checked_answers import frames
from tests.harness.in_process.node import RunningNode, events_of, problem_of, running_node

ECHO = {"function": "echo", "input": {"value": 1}, "mode": "async"}


@pytest.fixture
async def node(aiohttp_client: AiohttpClient) -> AsyncIterator[RunningNode]:
    async with running_node(aiohttp_client, durable=True, slots=1) as running:
        yield running


async def _accept(node: RunningNode, body: dict[str, Any], **headers: str) -> dict[str, Any]:
    async with node.caller.post("/task", json=body, headers=headers) as answer:
        assert answer.status == 202, await answer.text()
        accepted: dict[str, Any] = await answer.json()
        assert answer.headers["Location"] == f"/tasks/{accepted['id']}"
    return accepted


async def _ended(node: RunningNode, task_id: str) -> dict[str, Any]:
    task: dict[str, Any] = (await node.get(f"/tasks/{task_id}", wait_s="20"))["task"]
    assert task["finished_at"] is not None, task
    return task


class Receiver:
    """Takes webhooks at `url`; answers each with `status`."""

    def __init__(self) -> None:
        self.url = ""
        self.status = 200
        self.got: asyncio.Queue[tuple[Any, Any]] = asyncio.Queue()

    async def take(self, request: web.Request) -> web.Response:
        self.got.put_nowait((dict(request.headers), await request.json()))
        return web.Response(status=self.status)


@pytest.fixture
async def receiver(aiohttp_server: AiohttpServer) -> Receiver:
    receiver, app = Receiver(), web.Application()
    app.add_routes([web.post("/hook", receiver.take)])
    receiver.url = str((await aiohttp_server(app)).make_url("/hook"))
    return receiver


async def test_an_async_task_is_accepted_at_once_and_its_result_is_there_later(
    node: RunningNode,
) -> None:
    accepted = await _accept(node, {"function": "hold", "mode": "async"})
    assert accepted["success"] is True
    assert accepted["queue_position"] == 0
    await node.running_task()
    waiting = await _accept(node, ECHO)
    assert (waiting["status"], waiting["queue_position"]) == ("queued", 1)
    node.runner.gate.set()
    assert (await _ended(node, accepted["id"]))["result"] == "released"
    assert (await _ended(node, waiting["id"]))["result"] == 1


async def test_a_caller_that_hangs_up_leaves_its_durable_task_behind(node: RunningNode) -> None:
    accepted = await _accept(node, {"function": "hold", "mode": "async"})
    task = await node.running_task()
    following = asyncio.create_task(node.caller.get(f"/tasks/{task.id}/events"))
    await node.get("/livez")
    following.cancel()
    node.runner.gate.set()
    assert (await _ended(node, accepted["id"]))["status"] == "completed"


async def test_by_path_the_mode_and_the_webhook_stand_in_the_query(node: RunningNode) -> None:
    async with node.caller.post("/functions/echo?mode=async", json={"value": 3}) as answer:
        assert answer.status == 202
        accepted = await answer.json()
    assert (await _ended(node, accepted["id"]))["result"] == 3


async def test_one_key_and_body_is_one_task_and_another_body_a_conflict(node: RunningNode) -> None:
    bodies = [ECHO] * 5
    key = {"Idempotency-Key": "k"}
    answers = await asyncio.gather(*(_accept(node, body, **key) for body in bodies))
    assert len({answer["id"] for answer in answers}) == 1
    problem = await node.problem("POST", "/task", json=ECHO | {"priority": 1}, headers=key)
    assert (problem["type"], problem["task_id"]) == ("/problems/conflict", answers[0]["id"])
    assert (await node.get("/tasks"))["total"] == 1


async def test_a_webhook_brings_the_result_and_can_be_sent_again(
    node: RunningNode, receiver: Receiver
) -> None:
    body = ECHO | {"mode": "webhook", "webhook": {"url": receiver.url, "headers": {"X-Mine": "1"}}}
    accepted = await _accept(node, body)
    async with asyncio.timeout(20):
        headers, sent = await receiver.got.get()
        assert headers["webhook-id"] == accepted["id"]
        assert headers["X-Mine"] == "1"
        assert (sent["type"], sent["data"]["result"]) == ("task.completed", 1)
        await _delivery(node, accepted["id"], "delivered")
        async with node.caller.post(f"/tasks/{accepted['id']}/redeliver") as answer:
            assert answer.status == 202
        assert (await receiver.got.get())[1] == sent
        while len((await _ended(node, accepted["id"]))["deliveries"]) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_delivery_that_failed_is_listed_and_can_be_sent_again(
    node: RunningNode, receiver: Receiver
) -> None:
    receiver.status = 500
    body = {"function": "fail", "mode": "webhook", "webhook": {"url": receiver.url}}
    accepted = await _accept(node, body)
    async with asyncio.timeout(20):
        _, sent = await receiver.got.get()
        assert sent["type"] == "task.failed"
        assert sent["data"]["error"]["type"] == "/problems/function-failed"
        await _delivery(node, accepted["id"], "failed")
        attempts = (await _ended(node, accepted["id"]))["deliveries"]
        assert [attempt["status"] for attempt in attempts] == [500]
        receiver.status = 204
        async with node.caller.post(f"/tasks/{accepted['id']}/redeliver") as answer:
            assert answer.status == 202
        await _delivery(node, accepted["id"], "delivered")
    assert (await node.get("/tasks", delivery="failed"))["total"] == 0


async def _delivery(node: RunningNode, task_id: str, state: str) -> None:
    """Return when the delivery of the task is listed as such."""
    while task_id not in {  # noqa: ASYNC110  a delivery tells nobody
        task["id"] for task in (await node.get("/tasks", delivery=state))["tasks"]
    }:
        await asyncio.sleep(0.01)


async def test_what_has_no_webhook_or_no_end_cannot_be_sent_again(node: RunningNode) -> None:
    accepted = await _accept(node, {"function": "hold", "mode": "async"})
    await node.running_task()
    for _ in range(2):
        problem = await node.problem("POST", f"/tasks/{accepted['id']}/redeliver")
        assert problem["type"] == "/problems/conflict"
        node.runner.gate.set()
        await _ended(node, accepted["id"])


async def test_a_retry_of_a_durable_task_is_a_new_durable_task(node: RunningNode) -> None:
    accepted = await _accept(node, ECHO)
    await _ended(node, accepted["id"])
    async with node.caller.post(f"/tasks/{accepted['id']}/retry") as answer:
        assert answer.status == 202
        again = await answer.json()
    task = await _ended(node, again["id"])
    assert task["source"] == {"kind": "retry", "id": accepted["id"]}
    assert task["result"] == 1


@pytest.mark.parametrize(("name", "value"), [("delivery", "perhaps"), ("scheduled", "x")])
async def test_a_filter_that_cannot_be_is_refused(node: RunningNode, name: str, value: str) -> None:
    problem = await node.problem("GET", "/tasks", params={name: value})
    assert problem["errors"][0]["pointer"] == f"?{name}"


async def test_a_schedule_is_a_filter_that_finds_only_its_own(node: RunningNode) -> None:
    await _ended(node, (await _accept(node, ECHO))["id"])
    await node.submit("echo", {"value": 1})
    assert (await node.get("/tasks"))["total"] == 2
    assert (await node.get("/tasks", schedule="nightly"))["total"] == 0


async def test_tasks_of_an_earlier_process_are_shown_followed_and_listed(
    aiohttp_client: AiohttpClient, tmp_path: Path
) -> None:
    async with running_node(aiohttp_client, durable=True, data_dir=tmp_path) as node:
        accepted = await _accept(node, {"function": "greet", "mode": "async"})
        before = await _ended(node, accepted["id"])
    async with running_node(aiohttp_client, durable=True, data_dir=tmp_path) as node:
        path = f"/tasks/{accepted['id']}"
        assert (await node.get(path))["task"] == before
        assert [task["id"] for task in (await node.get("/tasks"))["tasks"]] == [accepted["id"]]
        async with node.caller.get(f"{path}/events") as answer:
            events = await events_of(answer)
        assert events[-1]["event"] == "done"
        assert events[-1]["data"]["result"] == before["result"]
        async with node.caller.get(
            f"{path}/events", headers={"Last-Event-ID": str(events[-1]["id"])}
        ) as answer:
            assert list(frames(await answer.read())) == []
        assert (await node.get(f"{path}/artifacts"))["total"] == 0
        async with node.caller.get(f"{path}/steps/main/logs") as answer:
            assert await answer.text() == ""
        problem = await node.problem("GET", f"{path}/steps/other/logs")
        assert problem["type"] == "/problems/not-found"
        problem = await node.problem("POST", f"{path}/cancel")
        assert problem["type"] == "/problems/task-finished"
        async with node.caller.post(f"{path}/retry") as answer:
            assert answer.status == 202
            await _ended(node, (await answer.json())["id"])


async def test_what_waited_when_the_process_ended_runs_in_the_next(
    aiohttp_client: AiohttpClient, tmp_path: Path
) -> None:
    async with running_node(aiohttp_client, durable=True, data_dir=tmp_path, slots=1) as node:
        held = asyncio.create_task(node.submit("hold"))
        await node.running_task()
        waiting = await _accept(node, ECHO)
        node.durable.release_queued()
        node.runner.gate.set()
        await held
    async with running_node(aiohttp_client, durable=True, data_dir=tmp_path) as node:
        async with node.caller.get(f"/tasks/{waiting['id']}/events") as answer:
            assert (await events_of(answer))[-1]["event"] == "done"
        assert (await _ended(node, waiting["id"]))["result"] == 1


async def test_a_bulk_cancel_reaches_what_waits_on_disk(node: RunningNode) -> None:
    await _accept(node, {"function": "hold", "mode": "async"})
    await node.running_task()
    items = [{**ECHO, "priority": 9} for _ in range(600)]
    async with node.caller.post("/tasks", json={"tasks": items}) as answer:
        assert answer.status == 202, await answer.text()
        waiting = [task["id"] for task in (await answer.json())["tasks"]]
    async with node.caller.post("/tasks/cancel?function=echo") as answer:
        cancelled = await answer.json()
    assert sorted(cancelled["ids"]) == sorted(waiting)
    assert (await node.get("/tasks", status="cancelled"))["total"] == 600
    assert (await node.get("/tasks", status="queued"))["total"] == 0
    node.runner.gate.set()


async def test_a_key_that_may_not_submit_and_a_stranger_are_refused(node: RunningNode) -> None:
    for path in ("/task", "/tasks"):
        async with node.stranger.post(path, json=ECHO) as answer:
            assert (await problem_of(answer))["status"] == 401


async def test_who_follows_a_task_whose_run_was_cut_off_is_told_that_something_may_be_missing(
    node: RunningNode,
) -> None:
    await _accept(node, {"function": "hold", "mode": "async"})
    await node.running_task()
    waiting = await _accept(node, {"function": "greet", "mode": "async"})
    task = node.history.get(waiting["id"])
    assert task is not None
    # As the prefetcher makes one of a record whose run was cut off by the end of its process.
    task.restore(created_at=task.created_at, starts=1, first_event=1_000_000)
    node.runner.gate.set()
    for after in ("0", "14"):
        headers = {"Last-Event-ID": after}
        async with node.caller.get(f"/tasks/{task.id}/events", headers=headers) as answer:
            events = await events_of(answer)
        assert [event["event"] for event in events].count("missed") == 1
        assert events[0]["data"]["data"] is None
        assert events[-1]["event"] == "done"


async def test_a_stream_that_has_begun_is_cut_when_the_database_goes_away(
    node: RunningNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    accepted = await _accept(node, ECHO)
    await _ended(node, accepted["id"])
    monkeypatch.setattr(node.history, "get", lambda _: None)  # as after a restart

    async def away(*_: object, **__: object) -> None:
        raise DatabaseUnavailable("the test's")

    monkeypatch.setattr(node.repository, "events", away)
    with pytest.raises(ClientPayloadError):
        async with node.caller.get(f"/tasks/{accepted['id']}/events") as answer:
            await answer.read()
