"""Tasks of a balancer on a real worker: started or refused at once, run once, told to their end."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from slotgrid.core.task_states import TaskState
from slotgrid.wire import messages as m
from tests.harness.peers.fake_balancer import linked
from tests.harness.waiting import until

FUNCTIONS = {
    "quick.py": """
        @function(timeout_s=30)
        async def quick(context: Context, number: int = 1) -> dict:
            return {"number": number, "attempt": context.attempt}
    """,
    "sleeps.py": """
        import asyncio

        @function(timeout_s=30, streaming=True)
        async def sleeps(context: Context, seconds: float = 60) -> str:
            await context.status("asleep")
            await asyncio.sleep(seconds)
            return "rested"
    """,
    "fails.py": """
        @function(timeout_s=30, retries=3)
        async def fails(context: Context) -> None:
            await context.save("note.txt", "attempt %d" % context.attempt)
            raise ValueError("no luck")
    """,
    "talks.py": """
        @function(timeout_s=30, streaming=True)
        async def talks(context: Context, times: int, size: int = 10) -> int:
            for number in range(times):
                await context.stream("x" * size)
                await context.log("line %d" % number)
            return times
    """,
}


async def test_a_task_runs_and_its_end_frees_its_slot_in_the_same_message(tmp_path: Path) -> None:
    async with linked(tmp_path, FUNCTIONS) as (worker, balancer):
        task_id = balancer.offer("quick", input={"number": 7}, attempt=2, owner="ann")
        done = await balancer.outcome(task_id)
        [started] = balancer.all(m.Started)
        assert isinstance(done, m.Done)
        assert bytes(done.result) == b'{"number":7,"attempt":2}'
        assert started.free == {"default": 1}
        assert done.free == {"default": 2}
        assert done.seq > started.seq
        record = await worker.task(task_id)
        assert (record["owner"], record["status"]) == ("ann", "completed")
        await worker.idle()


async def test_events_and_lines_come_in_order_before_the_end(tmp_path: Path) -> None:
    async with linked(tmp_path, FUNCTIONS) as (worker, balancer):
        task_id = balancer.offer("talks", input={"times": 200}, mode="stream")
        done = await balancer.outcome(task_id)
        assert isinstance(done, m.Done)
        events = balancer.all(m.EventMessage)
        assert [event.number for event in events] == [*range(1, 401)]
        assert [event.kind for event in events[:4]] == ["chunk", "log", "chunk", "log"]
        lines = balancer.all(m.LogMessage)
        assert [line.line for line in lines] == [f"line {n}" for n in range(200)]
        assert balancer.heard.index(done) > balancer.heard.index(events[-1])
        await worker.idle()


async def test_a_large_event_is_not_overtaken_by_the_end(tmp_path: Path) -> None:
    async with linked(tmp_path, FUNCTIONS) as (worker, balancer):
        task_id = balancer.offer("talks", input={"times": 2, "size": 300_000})
        done = await balancer.outcome(task_id)
        kinds = [event.kind for event in balancer.all(m.EventMessage)]
        assert kinds == ["chunk", "log", "chunk", "log"]
        assert balancer.heard.index(done) > balancer.heard.index(balancer.all(m.EventMessage)[-1])
        await worker.idle()


async def test_a_failed_attempt_is_not_repeated_here(tmp_path: Path) -> None:
    async with linked(tmp_path, FUNCTIONS) as (worker, balancer):
        task_id = balancer.offer("fails")
        failed = await balancer.outcome(task_id)
        assert isinstance(failed, m.Failed)
        assert failed.retryable
        assert failed.problem["type"] == "/problems/function-failed"
        assert [file.name for file in failed.artifacts] == ["note.txt"]
        # The balancer tries again under the same id, and the worker keeps both's files.
        again = len(balancer.heard)
        balancer.offer("fails", id=task_id, attempt=2)
        second = await balancer.hears(m.Failed, after=again)
        assert second.id == task_id
        record = await worker.task(task_id)
        assert [attempt["number"] for attempt in record["attempts"]] == [2]
        assert await worker.artifact(task_id, "note.txt") == b"attempt 2"
        assert len(worker.worker.history) == 1
        await worker.idle()


async def refusal(balancer: Any, function: str, **fields: Any) -> str:
    refused = await balancer.outcome(balancer.offer(function, **fields))
    assert isinstance(refused, m.Refused), refused
    return refused.kind


async def test_what_cannot_start_now_is_refused_and_leaves_no_trace(tmp_path: Path) -> None:
    async with linked(tmp_path, FUNCTIONS, SLOTS=1) as (worker, balancer):
        assert await refusal(balancer, "unknown") == "function"
        assert await refusal(balancer, "quick", contract=2) == "contract"
        assert await refusal(balancer, "quick", pool="other") == "busy"
        worker.worker.slots.held = "memory is full"
        assert await refusal(balancer, "quick") == "held"
        worker.worker.slots.held = None
        running = balancer.offer("sleeps")
        await balancer.hears(m.Started)
        assert await refusal(balancer, "quick") == "busy"
        assert (await worker.request("POST", "/off")).status == 200
        assert await refusal(balancer, "quick") == "maintenance"
        assert (await worker.request("POST", "/on")).status == 200
        balancer.link.send(m.Cancel(id=running, reason="enough"))
        failed = await balancer.outcome(running)
        assert failed.problem["type"] == "/problems/task-cancelled"
        assert failed.problem["reason"] == "enough"
        assert failed.free == {"default": 1}
        assert len(worker.worker.history) == 1
        await worker.idle()


async def test_of_two_tasks_in_one_frame_only_one_gets_the_one_slot(tmp_path: Path) -> None:
    async with linked(tmp_path, FUNCTIONS, SLOTS=1) as (worker, balancer):
        first, second = (balancer.offer("sleeps", input={"seconds": 0.01}) for _ in "12")
        assert isinstance(await balancer.outcome(first), m.Done)
        assert isinstance(await balancer.outcome(second), m.Refused)
        await worker.idle()


async def test_an_input_that_the_function_does_not_take_fails_without_a_start(
    tmp_path: Path,
) -> None:
    async with linked(tmp_path, FUNCTIONS) as (worker, balancer):
        failed = await balancer.outcome(balancer.offer("quick", input={"number": "many"}))
        assert failed.problem["type"] == "/problems/invalid-input"
        assert not failed.retryable
        assert balancer.all(m.Started) == []
        await worker.idle()


async def test_a_cancel_that_crosses_the_start_gives_the_slot_back(tmp_path: Path) -> None:
    async with linked(tmp_path, FUNCTIONS) as (worker, balancer):
        task_id = balancer.offer("sleeps")
        balancer.link.send(m.Cancel(id=task_id, reason="changed my mind"))
        failed = await balancer.outcome(task_id)
        assert failed.problem["type"] == "/problems/task-cancelled"
        await balancer.report(lambda report: report.free == {"default": 2})
        await worker.idle()


async def test_a_caller_who_does_not_read_pauses_only_the_own_task(tmp_path: Path) -> None:
    async with linked(tmp_path, FUNCTIONS, SLOTS=4, grants=False) as (worker, balancer):
        silent = balancer.offer("talks", input={"times": 10_000, "size": 1000}, mode="stream")
        task = None

        def paused() -> bool:
            nonlocal task
            task = worker.worker.history.get(silent)
            return task is not None and task.events.crowded

        await until(paused)
        assert task is not None
        for number in range(50):
            done = await balancer.outcome(balancer.offer("quick", input={"number": number}))
            assert isinstance(done, m.Done)
        said = len(balancer.all(m.EventMessage)) + len(balancer.all(m.LogMessage))
        assert said == 32  # its credits, and not one more
        assert task.events.last_id < 150
        assert task.state is TaskState.RUNNING
        balancer.link.send(m.Cancel(id=silent, reason="the caller is gone"))
        failed = await balancer.outcome(silent)
        assert failed.problem["reason"] == "the caller is gone"
        await worker.idle()


async def test_direct_callers_and_the_balancer_share_the_slots(tmp_path: Path) -> None:
    async with linked(tmp_path, FUNCTIONS, SLOTS=1) as (worker, balancer):
        direct = await worker.start("sleeps", seconds=60)
        await direct.says("status")
        report = await balancer.hears(m.Report, lambda report: report.used == 1)
        assert report.free == {"default": 0}
        assert await refusal(balancer, "quick") == "busy"
        await direct.hang_up()
        await balancer.report(lambda report: report.free == {"default": 1})
        assert isinstance(await balancer.outcome(balancer.offer("quick")), m.Done)
        await worker.idle()


async def test_hundreds_of_tasks_at_once_leave_the_counts_exact(tmp_path: Path) -> None:
    async with linked(tmp_path, FUNCTIONS, SLOTS=8) as (worker, balancer):
        direct = [worker.call("quick", number=n) for n in range(50)]
        ids = [balancer.offer("sleeps", input={"seconds": 0.001}) for _ in range(300)]
        results = await asyncio.gather(*direct)
        assert [result["number"] for result in results] == [*range(50)]
        outcomes = [await balancer.outcome(task_id) for task_id in ids]
        assert {type(outcome) for outcome in outcomes} == {m.Done, m.Refused}
        last = await balancer.report(lambda _: True)
        assert (last.used, last.running, last.free) == (0, 0, {"default": 8})
        await worker.idle()


async def test_a_flood_of_tasks_is_refused_and_disturbs_nobody(tmp_path: Path) -> None:
    async with linked(tmp_path, FUNCTIONS, SLOTS=2) as (worker, balancer):
        running = balancer.offer("sleeps")
        await balancer.started(running)
        kept = await worker.start("sleeps", seconds=60)
        await kept.says("status")
        ids = [balancer.offer("quick") for _ in range(20_000)]
        assert (await worker.get("/livez"))["status"] == "alive"
        last = await balancer.outcome(ids[-1])
        assert (last.kind, last.reason) == ("busy", "every slot is busy")
        assert len(balancer.all(m.Refused)) == len(ids)
        assert len(worker.worker.history) == 2
        await kept.hang_up()
        balancer.link.send(m.Cancel(id=running, reason="enough"))
        await balancer.outcome(running)
        await worker.idle()


async def test_a_result_that_no_link_carries_fails_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    functions = {
        "large.py": """
            @function(timeout_s=30)
            async def large(context: Context) -> str:
                return "x" * 50_000
        """
    }
    async with linked(tmp_path, functions) as (worker, balancer):
        monkeypatch.setattr("slotgrid.wire.link.MESSAGE_LIMIT", 20_000)
        failed = await balancer.outcome(balancer.offer("large"))
        assert failed.problem["type"] == "/problems/output-invalid"
        assert "20000" in failed.problem["detail"]
        await worker.idle()


async def test_the_parts_of_a_task_are_told_with_its_end(tmp_path: Path) -> None:
    functions = {
        **FUNCTIONS,
        "outer.py": """
            @function(timeout_s=30)
            async def outer(context: Context) -> dict:
                return await context.call("quick", {"number": 3})
        """,
    }
    async with linked(tmp_path, functions) as (worker, balancer):
        done = await balancer.outcome(balancer.offer("outer"))
        [step] = done.steps
        assert (step.function, step.status) == ("quick", "completed")
        assert bytes(step.output) == b'{"number":3,"attempt":1}'
        assert step.ended_at >= step.started_at > 0
        await worker.idle()


async def test_tasks_of_direct_callers_are_retried_as_ever(tmp_path: Path) -> None:
    functions = {"fails.py": FUNCTIONS["fails.py"].replace("retries=3", "retries=1")}
    async with linked(tmp_path, functions) as (worker, balancer):
        problem = await worker.problem("fails")
        record = await worker.task(problem["task_id"])
        assert len(record["attempts"]) == 2
        balancer.link.send(m.Cancel(id=problem["task_id"], reason="not mine to cancel"))
        await worker.idle()
