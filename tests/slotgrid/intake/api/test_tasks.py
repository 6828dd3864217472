"""`/tasks` and below: the record of tasks, and what can be done with one."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from slotgrid.core.submission import Submission
from slotgrid.core.task import Task, TaskState
from slotgrid.intake import auth
from slotgrid.intake.openapi import Scope
from tests.slotgrid.intake.functions import offer
from tests.slotgrid.intake.nodes import RunningNode, events_of, problem_of, running_node

UNKNOWN = "0198c0de-7a3b-7c11-9d5e-2f6a1b0c4d3e"


@pytest.fixture
async def holding(node: RunningNode) -> AsyncIterator[Task]:
    """A task that runs until the test opens the gate."""
    call = asyncio.create_task(_ignored(node))
    yield await node.running_task()
    node.runner.gate.set()
    await call


async def _ignored(node: RunningNode) -> None:
    async with node.caller.post("/task", json={"function": "hold", "mode": "stream"}) as answer:
        await answer.read()


async def ended(node: RunningNode, function: str, input_: object = None) -> str:
    """The id of a task that has ended, well or not."""
    body = {"function": function, "input": input_ or {}}
    async with node.caller.post("/task", json=body) as answer:
        found = await answer.json(content_type=None)
    return str(found.get("id") or found["task_id"])


async def ids(node: RunningNode, **filters: str) -> list[str]:
    return [task["id"] for task in (await node.get("/tasks", **filters))["tasks"]]


async def test_tasks_are_listed_newest_first_by_the_page(node: RunningNode) -> None:
    made = [await ended(node, "greet") for _ in range(5)]
    whole = await node.get("/tasks")
    assert [task["id"] for task in whole["tasks"]] == made[::-1]
    assert whole["total"] == 5
    page = await node.get("/tasks", limit="2", offset="1")
    assert [task["id"] for task in page["tasks"]] == [made[3], made[2]]
    assert page["total"] == 5
    assert (await node.get("/tasks", offset="99"))["tasks"] == []


async def test_every_filter_chooses_what_it_says(node: RunningNode, holding: Task) -> None:
    greeted = await ended(node, "greet")
    failed = await ended(node, "fail", {"message": "Out of Luck"})
    assert await ids(node, status="completed") == [greeted]
    assert await ids(node, status="failed,running") == [failed, holding.id]
    assert await ids(node, function="greet") == [greeted]
    assert await ids(node, q="of luck") == [failed]
    assert await ids(node, q=greeted.upper()) == [greeted]
    assert (
        len(await ids(node, group="default", worker="test-node", owner="root", source="api")) == 3
    )
    for name in ("group", "worker", "owner", "source", "function", "q"):
        assert await ids(node, **{name: "something else"}) == []


async def test_times_choose_too_with_or_without_a_zone(node: RunningNode) -> None:
    made = await ended(node, "greet")
    now = datetime.now(UTC)
    before, after = now - timedelta(minutes=1), now + timedelta(minutes=1)
    for form in (before.isoformat(), before.replace(tzinfo=None).isoformat()):
        assert await ids(node, since=form) == [made]
        assert await ids(node, until=form) == []
    assert await ids(node, since=before.isoformat(), until=after.isoformat()) == [made]
    # As it arrives from whoever does not escape the plus sign.
    async with node.caller.get(f"/tasks?since={before.isoformat()}") as answer:
        assert answer.status == 200


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("status", "sleeping"),
        ("status", ""),
        ("since", "yesterday"),
        ("limit", "0"),
        ("limit", "1001"),
        ("limit", "many"),
        ("limit", "1.5"),
        ("offset", "-1"),
        ("colour", "red"),
    ],
)
async def test_a_query_that_cannot_be_read_is_refused(
    node: RunningNode, name: str, value: str
) -> None:
    problem = await node.problem("GET", "/tasks", params={name: value})
    assert problem["errors"][0]["pointer"] == f"?{name}"


async def test_one_task_has_everything_that_is_known_of_it(node: RunningNode) -> None:
    task_id = await ended(node, "steps")
    task = (await node.get(f"/tasks/{task_id}"))["task"]
    assert task["status"] == "completed"
    assert [(step["name"], step["status"]) for step in task["steps"]] == [("greet-1", "completed")]
    assert [attempt["number"] for attempt in task["attempts"]] == [1]
    assert task["created_at"] <= task["started_at"] <= task["finished_at"]


async def test_a_task_that_waits_shows_its_place_in_the_queue() -> None:
    async with running_node(slots=1) as node:
        first = asyncio.create_task(node.submit("hold"))
        await node.running_task()
        second = asyncio.create_task(node.submit("greet"))
        await node.queued()
        newest = (await node.get("/tasks", status="queued"))["tasks"][0]
        assert (newest["queue_position"], newest["worker"], newest["started_at"]) == (1, None, None)
        assert newest["queued_ms"] >= 0
        node.runner.gate.set()
        await asyncio.gather(first, second)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("POST", "/cancel"),
        ("POST", "/retry"),
        ("GET", "/events"),
        ("GET", "/logs"),
        ("GET", "/steps/main/logs"),
        ("GET", "/artifacts"),
        ("GET", "/artifacts/a.txt"),
    ],
)
@pytest.mark.parametrize("task_id", [UNKNOWN, "no-id-at-all", "%00"])
async def test_an_unknown_task_is_404_everywhere(
    node: RunningNode, method: str, path: str, task_id: str
) -> None:
    problem = await node.problem(method, f"/tasks/{task_id}{path}")
    assert problem["type"] == "/problems/unknown-task"


async def test_wait_s_answers_as_soon_as_the_task_has_finished(
    node: RunningNode, holding: Task
) -> None:
    path = f"/tasks/{holding.id}"
    assert (await node.get(path, wait_s="0"))["task"]["status"] == "running"
    assert (await node.get(path, wait_s="0.05"))["task"]["status"] == "running"
    waiting = asyncio.create_task(node.get(path, wait_s="60"))
    await node.get("/livez")
    node.runner.gate.set()
    assert (await waiting)["task"]["status"] == "completed"
    assert (await node.problem("GET", path, params={"wait_s": "301"}))["status"] == 400
    assert (await node.problem("GET", path, params={"wait_s": "nan"}))["status"] == 400


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
        "data": {"text": "501 earlier events are no longer kept", "data": 501},
    }
    assert events[1]["id"] == 502
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


async def test_artifacts_are_listed_and_served(node: RunningNode) -> None:
    files = {"a.txt": "ü", "page.html": "<script>alert(1)</script>", "b c.csv": "1,2", "x.bin": ""}
    task_id = await ended(node, "save", {"files": files})
    listed = await node.get(f"/tasks/{task_id}/artifacts")
    assert listed["total"] == 4
    for artifact in listed["artifacts"]:
        async with node.caller.get(artifact["url"]) as answer:
            assert await answer.text("utf-8") == files[artifact["name"]]
            assert answer.content_type == artifact["content_type"]
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Content-Security-Policy"].startswith("sandbox")
            attached = answer.headers["Content-Disposition"].startswith("attachment")
            assert attached is (artifact["name"] == "page.html")
    path = f"/tasks/{task_id}/artifacts"
    async with node.caller.get(f"{path}/b%20c.csv", headers={"Range": "bytes=1-"}) as part:
        assert (part.status, await part.text()) == (206, ",2")
    async with node.caller.get(f"{path}/a.txt", headers={"Range": "bytes=99-"}) as outside:
        assert outside.status == 416
    async with node.caller.get(f"{path}/a.txt") as first:
        tag = first.headers["ETag"]
    async with node.caller.get(f"{path}/a.txt", headers={"If-None-Match": tag}) as same:
        assert same.status == 304
    async with node.caller.get(f"{path}/a.txt", headers={"If-Match": '"other"'}) as changed:
        assert changed.status == 412


@pytest.mark.parametrize("name", ["other.txt", "..%2F..%2Fetc%2Fpasswd", "%2e%2e", "a.txt%00"])
async def test_only_what_the_task_saved_is_served(node: RunningNode, name: str) -> None:
    task_id = await ended(node, "save", {"files": {"a.txt": "text"}})
    assert (await node.problem("GET", f"/tasks/{task_id}/artifacts/{name}"))["status"] == 404


async def test_a_file_that_was_removed_is_gone(node: RunningNode) -> None:
    task_id = await ended(node, "save", {"files": {"a.txt": "text"}})
    task = node.node.history.get(task_id)
    assert task is not None
    node.node.artifacts.path(task, "a.txt").unlink()
    problem = await node.problem("GET", f"/tasks/{task_id}/artifacts/a.txt")
    assert problem["type"] == "/problems/gone"


async def test_a_running_task_can_be_cancelled_once(node: RunningNode, holding: Task) -> None:
    async with node.caller.post(f"/tasks/{holding.id}/cancel") as answer:
        assert await answer.json() == {"success": True, "id": holding.id, "status": "cancelled"}
    problem = await node.problem("POST", f"/tasks/{holding.id}/cancel")
    assert problem["type"] == "/problems/task-finished"


async def test_a_sync_caller_is_told_that_someone_cancelled_its_task(node: RunningNode) -> None:
    call = asyncio.create_task(node.problem("POST", "/task", json={"function": "hold"}))
    task = await node.running_task()
    async with node.caller.post(f"/tasks/{task.id}/cancel") as answer:
        assert answer.status == 200
    problem = await call
    assert (problem["type"], problem["task_id"]) == ("/problems/task-cancelled", task.id)
    await node.idle()


async def test_a_queued_task_can_be_cancelled() -> None:
    async with running_node(slots=1) as node:
        first = asyncio.create_task(node.submit("hold"))
        running = await node.running_task()
        second = asyncio.create_task(node.problem("POST", "/task", json={"function": "greet"}))
        await node.queued()
        queued = next(task for task in node.tasks if task is not running)
        async with node.caller.post(f"/tasks/{queued.id}/cancel") as answer:
            assert (await answer.json())["status"] == "cancelled"
        assert (await second)["type"] == "/problems/task-cancelled"
        assert queued.attempts == []
        node.runner.gate.set()
        await first


async def test_bulk_cancel_takes_the_filters_of_the_list() -> None:
    async with running_node(slots=1) as node:
        hold = asyncio.create_task(node.problem("POST", "/task", json={"function": "hold"}))
        await node.running_task()
        greets = [
            asyncio.create_task(node.problem("POST", "/task", json={"function": "greet"}))
            for _ in range(3)
        ]
        await node.queued(3)
        async with node.caller.post("/tasks/cancel", params={"status": "queued"}) as answer:
            cancelled = await answer.json()
        assert cancelled["cancelled"] == len(cancelled["ids"]) == 3
        assert {(await greet)["type"] for greet in greets} == {"/problems/task-cancelled"}
        async with node.caller.post("/tasks/cancel", params={"function": "greet"}) as answer:
            assert (await answer.json())["cancelled"] == 0
        problem = await node.problem("POST", "/tasks/cancel", params={"limit": "1"})
        assert problem["errors"][0]["pointer"] == "?limit"
        async with node.caller.post("/tasks/cancel") as answer:
            assert (await answer.json())["cancelled"] == 1
        assert (await hold)["type"] == "/problems/task-cancelled"
        await node.idle()


async def test_a_retry_is_a_new_task_with_the_same_input(node: RunningNode) -> None:
    first = await node.submit("greet", {"name": "Ada"}, priority=3)
    async with node.caller.post(f"/tasks/{first['id']}/retry") as answer:
        second = await answer.json()
    assert second["result"] == first["result"]
    assert second["id"] != first["id"]
    task = (await node.get(f"/tasks/{second['id']}"))["task"]
    assert task["source"] == {"kind": "retry", "id": first["id"]}
    assert (task["input"], task["priority"]) == ({"name": "Ada"}, 3)


async def test_a_retry_answers_in_the_mode_of_the_first_task(node: RunningNode) -> None:
    body = {"function": "greet", "mode": "stream"}
    async with node.caller.post("/task", json=body) as answer:
        task_id = (await events_of(answer))[-1]["data"]["id"]
    async with node.caller.post(f"/tasks/{task_id}/retry") as answer:
        assert (await events_of(answer))[-1]["event"] == "done"


async def test_a_task_that_has_not_finished_cannot_be_retried(
    node: RunningNode, holding: Task
) -> None:
    problem = await node.problem("POST", f"/tasks/{holding.id}/retry")
    assert problem["type"] == "/problems/conflict"


async def test_a_retry_in_maintenance_is_refused_and_counted(node: RunningNode) -> None:
    task_id = await ended(node, "greet")
    async with node.caller.post("/off"):
        pass
    problem = await node.problem("POST", f"/tasks/{task_id}/retry")
    assert problem["type"] == "/problems/maintenance"
    async with node.caller.get("/metrics") as answer:
        assert 'slotgrid_refused_total{reason="maintenance"} 1.0' in await answer.text()


async def test_who_may_not_operate_sees_and_cancels_only_its_own_tasks(
    node: RunningNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = await ended(node, "greet")
    scopes = frozenset({Scope.READ, Scope.SUBMIT})
    monkeypatch.setattr(auth.Keys, "principal", lambda *_: auth.Principal("ada", scopes))
    own = await ended(node, "greet")
    assert await ids(node) == [own]
    assert await ids(node, owner="root") == []
    for method, path in (("GET", ""), ("POST", "/cancel"), ("POST", "/retry"), ("GET", "/logs")):
        problem = await node.problem(method, f"/tasks/{theirs}{path}")
        assert problem["type"] == "/problems/unknown-task"
    hidden = node.node.admission.admit(Submission(function="hold"), owner="root")
    node.node.supervisor.start(hidden)
    await node.running_task()
    async with node.caller.post("/tasks/cancel") as answer:
        assert (await answer.json())["cancelled"] == 0
    for method, path in (("POST", "/off"), ("GET", "/logs"), ("POST", "/drain")):
        async with node.caller.request(method, path) as answer:
            assert (await problem_of(answer))["type"] == "/problems/forbidden"
    node.runner.gate.set()


async def test_a_function_s_list_of_artifacts_says_what_it_says_in_the_task() -> None:
    async def nothing(*_: object) -> None: ...

    async with running_node(offer("nothing", nothing)) as node:
        task_id = await ended(node, "nothing")
        assert await node.get(f"/tasks/{task_id}/artifacts") == {"artifacts": [], "total": 0}
        task = (await node.get(f"/tasks/{task_id}"))["task"]
        assert (task["artifacts"], task["result"], task["error"]) == ([], None, None)
