"""Tasks through a balancer, on workers that are processes of their own."""

import asyncio
from typing import Any

import msgspec
import orjson

from balancer.fleet.worker_states import WorkerState
from slotgrid.core.task_states import TaskState
from slotgrid.wire import messages as m
from tests.harness.in_process.balancer import RunningBalancer
from tests.harness.peers.fake_worker import fake_worker
from tests.harness.waiting import until


async def test_a_task_runs_on_a_worker_that_dialled_in(balancer: RunningBalancer) -> None:
    await balancer.worker("worker-1")
    answer = await balancer.submit("echo", input={"value": {"a": [1, "ü"]}})
    assert answer.status == 200, answer.body
    assert answer.json["result"] == {"a": [1, "ü"]}
    assert answer.json["worker"] == "worker-1"


async def test_a_task_runs_on_a_worker_that_is_listed(balancer: RunningBalancer) -> None:
    worker = await balancer.start_worker("worker-1", BALANCER_URL="")
    balancer.list_workers({"url": worker.url, "labels": {"zone": "eu"}})
    await balancer.until_worker("worker-1", WorkerState.READY)
    placed = {"place": {"labels": {"zone": "eu"}}}
    answer = await balancer.submit("echo", input={"value": 1}, **placed)
    assert answer.status == 200, answer.body


async def test_events_are_relayed_as_they_come(balancer: RunningBalancer) -> None:
    await balancer.worker()
    events = await balancer.stream("talk", pieces=3)
    assert [(kind, payload.get("data")) for kind, payload in events[:-1]] == [
        ("chunk", "a"),
        ("chunk", "b"),
        ("chunk", "c"),
    ]
    kind, last = events[-1]
    assert (kind, last["result"], last["worker"]) == ("done", 3, "worker-1")


async def test_a_failure_is_told_as_the_worker_tells_it(balancer: RunningBalancer) -> None:
    await balancer.worker()
    problem = await balancer.problem("fail", 500)
    assert problem["type"] == "/problems/function-failed"
    assert "it never works" in problem["error"]
    task = (await balancer.get(f"/tasks/{problem['task_id']}"))["task"]
    assert task["attempts"][0]["worker"] == "worker-1"
    assert task["attempts"][0]["slot"] in {0, 1}


async def test_a_running_task_shows_its_steps(balancer: RunningBalancer) -> None:
    await balancer.worker()
    caller = balancer.start("nested", seconds=60)
    await balancer.until_running(1)
    (task_id,) = [task["id"] for task in await _tasks(balancer, function="nested")]
    task = balancer.balancer.history.get(task_id)
    assert task is not None
    await until(lambda: len(task.steps) == 2)
    steps = (await balancer.get(f"/tasks/{task_id}"))["task"]["steps"]
    assert [(step["function"], step["status"], step["output"]) for step in steps] == [
        ("echo", "completed", "first"),
        ("nap", "running", None),
    ]
    assert (await balancer.request("POST", f"/tasks/{task_id}/cancel")).status == 200
    assert (await caller).status == 409
    steps = (await balancer.get(f"/tasks/{task_id}"))["task"]["steps"]
    assert [step["status"] for step in steps] == ["completed", "cancelled"]


async def test_an_attempt_and_its_event_name_the_same_slot(balancer: RunningBalancer) -> None:
    async with fake_worker(balancer, slots=9) as worker:
        accepted = await balancer.submit("echo", mode="async")
        path = f"/tasks/{accepted.json['id']}"
        await until(lambda: any(isinstance(heard, m.TaskMessage) for heard in worker.heard))
        (attempt,) = (await balancer.get(path))["task"]["attempts"]
        assert attempt["slot"] is None  # its worker has not said it yet
        free = {"default": 9}
        task_id = accepted.json["id"]
        worker.link.send(m.Started(id=task_id, slot=7, free=free, seq=worker.seq()), task_id)
        done = m.Done(id=task_id, result=msgspec.Raw(b"1"), free=free, seq=worker.seq())
        worker.link.send(done, task_id)
        (attempt,) = (await balancer.get(path, wait_s="20"))["task"]["attempts"]
        events = await balancer.request("GET", f"{path}/events")
        (said,) = [
            orjson.loads(block.partition(b"data: ")[2])
            for block in events.body.split(b"\n\n")
            if b"event: state" in block
        ]
        assert said["data"] == {"attempt": 1, "worker": "fake", "pool": "default", "slot": 7}
        assert attempt["slot"] == 7


async def test_waiting_tasks_start_in_order_of_priority(balancer: RunningBalancer) -> None:
    await balancer.worker(SLOTS=1)
    first = balancer.start("nap", seconds=0.5)
    await balancer.until_running(1)
    late = balancer.start("echo", value="late", fields={"priority": 9})
    await until(lambda: balancer.balancer.dispatcher.waiting == 1)
    soon = balancer.start("echo", value="soon", fields={"priority": 1})
    await until(lambda: balancer.balancer.dispatcher.waiting == 2)
    await first
    assert (await soon).json["queued_ms"] <= (await late).json["queued_ms"]
    order = sorted(
        await _tasks(balancer, function="echo"), key=lambda task: str(task["started_at"])
    )
    assert [task["priority"] for task in order] == [1, 9]


async def test_a_caller_who_hangs_up_frees_the_remote_slot(balancer: RunningBalancer) -> None:
    await balancer.worker()
    caller = balancer.start("nap")
    await balancer.until_running(1)
    caller.cancel()
    await balancer.idle()
    (task,) = await _tasks(balancer, function="nap")
    assert task["status"] == TaskState.CANCELLED


async def test_cancel_reaches_the_worker(balancer: RunningBalancer) -> None:
    worker = await balancer.worker()
    caller = balancer.start("nap")
    await balancer.until_running(1)
    (task,) = await _tasks(balancer, function="nap")
    answer = await balancer.request("POST", f"/tasks/{task['id']}/cancel")
    assert answer.status == 200, answer.body
    assert (await caller).status == 409
    await balancer.idle()
    headers = {"Authorization": balancer.caller.headers["Authorization"]}
    async with balancer.caller.get(f"{worker.url}/tasks/{task['id']}", headers=headers) as there:
        assert (await there.json())["task"]["status"] == TaskState.CANCELLED


async def test_a_worker_and_its_direct_callers_share_its_slots(balancer: RunningBalancer) -> None:
    worker = await balancer.worker(SLOTS=1)
    headers = {"Authorization": balancer.caller.headers["Authorization"]}
    body = {"function": "nap", "input": {"seconds": 1}}

    async def direct() -> Any:
        async with balancer.caller.post(f"{worker.url}/task", json=body, headers=headers) as answer:
            return await answer.json()

    direct_call = asyncio.create_task(direct())
    known = balancer.balancer.fleet.roster.worker("worker-1")
    assert known is not None
    await until(lambda: known.free == {"default": 0})
    answer = await balancer.submit("echo", input={"value": 1})
    assert answer.json["queued_ms"] > 100
    assert (await direct_call)["result"] == "rested"


async def test_what_a_function_wrote_can_be_read_at_the_balancer(balancer: RunningBalancer) -> None:
    await balancer.worker()
    answer = await balancer.submit("save", input={"name": "a.txt", "size": 3})
    task_id = answer.json["id"]
    lines = (await balancer.request("GET", f"/tasks/{task_id}/logs")).body.splitlines()
    assert [
        (line["step"], line["line"]) for line in map(orjson.loads, lines) if "save" in line["line"]
    ] == [("main", "about to save")]


async def _tasks(balancer: RunningBalancer, **filters: str) -> list[dict[str, Any]]:
    return list((await balancer.get("/tasks", **filters))["tasks"])
