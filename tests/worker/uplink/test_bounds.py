"""What a task may keep and say: past a bound the task fails, its link and its neighbours do not."""

from pathlib import Path
from typing import Any

import pytest

from balancer.fleet.message_limits import check_hello
from slotgrid.wire import messages as m
from slotgrid.wire.encoding import encode
from slotgrid.wire.limits import BACKLOG_LIMIT, FUNCTIONS_BYTES, PARTS_LIMIT, SELF_LIMIT
from tests.harness.in_process.worker import RunningWorker
from tests.harness.peers.fake_balancer import Conversation, linked
from worker import attempt
from worker.uplink import relay, remote_tasks

MIB = 1024 * 1024

FUNCTIONS = {
    "gives.py": """
        @function(timeout_s=60)
        async def gives(context: Context, size: int = 1, text: str = "x") -> str:
            return text * size
    """,
    "steps.py": """
        @function(timeout_s=60)
        async def steps(context: Context, times: int, size: int = 1, text: str = "x") -> int:
            for _ in range(times):
                await context.call("gives", {"size": size, "text": text})
            return times
    """,
    "saves.py": """
        import asyncio

        @function(timeout_s=60)
        async def saves(context: Context, files: int, size: int = 1, at_once: bool = False) -> int:
            names = [f"{number}.txt" for number in range(files)]
            if at_once:
                await asyncio.gather(*(context.save(name, b"x" * size) for name in names))
            else:
                for name in names:
                    await context.save(name, b"x" * size)
            return files
    """,
    "emits.py": """
        @function(timeout_s=60, streaming=True)
        async def emits(context: Context, times: int, size: int) -> int:
            for number in range(times):
                await context.emit("piece", data="x" * size)
            return times
    """,
    "logs.py": """
        @function(timeout_s=60)
        async def logs(context: Context, size: int) -> int:
            await context.log("x" * size)
            return size
    """,
    "raises.py": """
        @function(timeout_s=60)
        async def raises(context: Context, size: int) -> None:
            raise ValueError("x" * size)
    """,
    "waits.py": """
        import asyncio

        @function(timeout_s=60)
        async def waits(context: Context) -> str:
            await context.log("here")
            for _ in range(600):
                if context.cancelled:
                    break
                await asyncio.sleep(0.05)
            return "still here"
    """,
}


async def _works(worker: RunningWorker, balancer: Conversation) -> None:
    """Assert that the link lasts and carries the next task, and that nothing failed unseen."""
    assert balancer.link.ending is None
    done = await balancer.outcome(balancer.offer("gives", input={"text": "again"}))
    assert bytes(done.result) == b'"again"'
    assert worker.events_logged("link.defect") == []
    assert worker.events_logged("uplink.cannot_report") == []


async def _outcome(balancer: Conversation, function: str, given: dict[str, Any]) -> Any:
    task_id = balancer.offer(function, input=given, timeout_s=60.0)
    return await balancer.outcome(task_id, within_s=60)


@pytest.mark.parametrize(
    ("function", "given", "reason"),
    [
        ("steps", {"times": PARTS_LIMIT + 1}, "files and steps"),
        ("steps", {"times": 20, "size": 8 * MIB}, "outputs of its steps"),
        ("emits", {"times": 1, "size": 140 * MIB}, "an event"),
        ("gives", {"size": 140 * MIB}, "too large"),
    ],
)
async def test_a_task_that_goes_beyond_a_bound_fails_with_the_reason(
    tmp_path: Path, function: str, given: dict[str, Any], reason: str
) -> None:
    async with linked(tmp_path, FUNCTIONS, SLOTS=2) as (worker, balancer):
        neighbour = balancer.offer("waits")
        await balancer.started(neighbour)
        failed = await balancer.outcome(
            balancer.offer(function, input=given, timeout_s=60.0), within_s=60
        )
        assert isinstance(failed, m.Failed)
        assert reason in failed.problem["detail"]
        assert failed.problem["type"] in {"/problems/function-failed", "/problems/output-invalid"}
        assert len(failed.steps) + len(failed.artifacts) <= PARTS_LIMIT
        balancer.link.send(m.Cancel(id=neighbour, reason="enough"), neighbour)
        ended = await balancer.outcome(neighbour)
        assert ended.problem["type"] == "/problems/task-cancelled"
        await _works(worker, balancer)
        await worker.idle()


@pytest.mark.parametrize("at_once", [False, True])
async def test_files_are_bounded_also_those_that_are_saved_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: bool
) -> None:
    monkeypatch.setattr(attempt, "PARTS_LIMIT", 100)
    async with linked(tmp_path, FUNCTIONS) as (worker, balancer):
        given = {"files": 120, "size": 65 * 1024, "at_once": at_once}
        failed = await balancer.outcome(
            balancer.offer("saves", input=given, timeout_s=60.0), within_s=60
        )
        assert isinstance(failed, m.Failed)
        assert "files and steps" in failed.problem["detail"]
        saved = len(failed.artifacts)  # the task fails while others of its files are being saved
        assert saved <= 90 if at_once else saved == 90
        await _works(worker, balancer)
        await worker.idle()


@pytest.mark.parametrize("function", ["logs", "raises"])
async def test_a_line_that_is_too_long_is_cut(tmp_path: Path, function: str) -> None:
    async with linked(tmp_path, FUNCTIONS) as (worker, balancer):
        _ = await balancer.outcome(balancer.offer(function, input={"size": 140 * MIB}), within_s=60)
        lines = balancer.all(m.LogMessage)
        assert lines
        assert all(len(line.line) < 20_000 for line in lines)
        assert any("more characters" in line.line for line in lines)
        await _works(worker, balancer)
        await worker.idle()


async def test_events_that_are_large_together_wait_for_the_link(tmp_path: Path) -> None:
    size = 15 * MIB
    times = BACKLOG_LIMIT // size + 2
    async with linked(tmp_path, FUNCTIONS) as (worker, balancer):
        given = {"times": times, "size": size}
        done = await balancer.outcome(
            balancer.offer("emits", input=given, mode="stream", timeout_s=60.0), within_s=60
        )
        assert isinstance(done, m.Done)
        assert [event.number for event in balancer.all(m.EventMessage)] == [*range(1, times + 1)]
        await _works(worker, balancer)
        await worker.idle()


async def test_results_that_are_large_together_wait_for_the_link(tmp_path: Path) -> None:
    async with linked(tmp_path, FUNCTIONS, SLOTS=4) as (worker, balancer):
        offered = [balancer.offer("gives", input={"size": 100 * MIB}) for _ in range(4)]
        for task_id in offered:
            done = await balancer.outcome(task_id, within_s=60)
            assert isinstance(done, m.Done), done
            assert len(bytes(done.result)) > 100 * MIB
        await _works(worker, balancer)
        await worker.idle()


async def test_a_task_that_cannot_be_reported_takes_no_other_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(relay, "_step_info", broken)
    async with linked(tmp_path, FUNCTIONS, SLOTS=20) as (worker, balancer):
        bad = [balancer.offer("steps", input={"times": 1}) for _ in range(10)]
        good = [balancer.offer("gives", input={"text": "fine"}) for _ in range(10)]
        for task_id in good:
            assert bytes((await balancer.outcome(task_id)).result) == b'"fine"'
        for task_id in bad:
            problem = (await balancer.outcome(task_id)).problem
            assert (problem["type"], problem["task_id"]) == ("/problems/internal", task_id)
        assert len(worker.events_logged("uplink.cannot_report")) == 10
        assert balancer.link.ending is None
        await worker.idle()


async def test_a_running_task_whose_event_cannot_be_sent_ends_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(**_: object) -> None:
        raise RuntimeError("a defect")

    async with linked(tmp_path, FUNCTIONS, SLOTS=2) as (worker, balancer):
        neighbour = balancer.offer("waits")
        await balancer.started(neighbour)
        await balancer.hears(m.LogMessage)
        monkeypatch.setattr(relay, "EventMessage", broken)
        problem = (await balancer.outcome(balancer.offer("waits"))).problem
        assert problem["type"] == "/problems/internal"
        assert worker.worker.supervisor.running == 1
        balancer.link.send(m.Cancel(id=neighbour, reason="enough"), neighbour)
        ended = await balancer.outcome(neighbour)
        assert ended.problem["type"] == "/problems/task-cancelled"
        await worker.idle()


async def test_a_task_on_which_the_worker_fails_is_answered_and_the_link_lasts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> bytes:
        raise RuntimeError("a defect")

    async with linked(tmp_path, FUNCTIONS) as (worker, balancer):
        with monkeypatch.context() as patch:
            patch.setattr(remote_tasks, "encode", broken)
            problem = (await balancer.outcome(balancer.offer("gives"))).problem
            assert problem["type"] == "/problems/internal"
        assert worker.worker.slots.used == 0
        await _works(worker, balancer)


async def test_functions_too_large_for_a_link_cost_only_themselves(tmp_path: Path) -> None:
    large = {
        f"large{number}.py": f"""
            BIG = {{"type": "object", "description": "x" * {MIB}}}

            @function(input=BIG)
            async def large{number}(context: Context) -> int:
                return {number}
        """
        for number in range(9)
    }
    broken = {f"raises{number}.py": f"raise ValueError('\\0' * {MIB})" for number in range(300)}
    async with linked(tmp_path, {**FUNCTIONS, **large, **broken}, boot=None) as (worker, balancer):
        hello = await balancer.hello()
        assert len(encode(hello)) < SELF_LIMIT
        assert len(encode(hello.functions)) < FUNCTIONS_BYTES + 4096
        check_hello(hello)
        offered = {function.name for function in hello.functions}
        assert {"gives", "large0", "large4"} <= offered
        assert "large8" not in offered
        unusable = {one.path: one.error for one in worker.worker.registry.broken}
        assert "bytes" in unusable["large8.py"]
        assert len(unusable) > len(hello.broken) > 100
