"""What ends a function: its deadline, a cancel, a caller who leaves; and that it really ends."""

from pathlib import Path

import psutil

from slotgrid.core.task_states import TaskState
from tests.harness.in_process.worker import browserless_worker
from tests.harness.waiting import until

SLEEPS = """
    import asyncio
    from pathlib import Path

    @function(timeout_s=30, streaming=True)
    async def sleeps(context: Context, note: str) -> None:
        await context.status("asleep")
        try:
            await asyncio.sleep(60)
        finally:
            Path(note).write_text("wound up")
"""
STUBBORN = """
    import asyncio
    from pathlib import Path

    @function(timeout_s=30)
    async def stubborn(context: Context, until: str) -> None:
        await context.status("begun")
        while not Path(until).exists():
            try:
                await asyncio.sleep(0.05)
            except asyncio.CancelledError:
                pass
        for speak in (context.status("heard?"), context.log("heard?"), context.call("quick"),
                      context.save("heard.txt", "?"), context.page()):
            try:
                await speak
            except RuntimeError:
                continue
            Path(until).write_text("somebody heard it")
        Path(until + ".over").touch()
"""
QUICK = """
    @function(timeout_s=30)
    async def quick(context: Context) -> int:
        return 42
"""
PLAIN = """
    import os, time

    @function(timeout_s=30)
    def plain(context: Context, how: str) -> int:
        if how == "quick":
            return 42
        context.emit("pid", data=os.getpid())
        while how == "loops":
            pass
        time.sleep(60)
"""


async def test_a_deadline_ends_a_coroutine_at_its_await(tmp_path: Path) -> None:
    note = tmp_path / "note"
    functions = {"sleeps.py": SLEEPS, "quick.py": QUICK}
    async with browserless_worker(tmp_path, functions) as worker:
        answer = await worker.submit("sleeps", input={"note": str(note)}, timeout_s=0.2)
        assert answer.status == 504
        assert answer.json["type"] == "/problems/deadline-exceeded"
        assert answer.json["detail"] == "sleeps ran longer than its 0.2 s"
        assert note.read_text() == "wound up"
        task = await worker.task(answer.json["task_id"])
        assert task["status"] == "failed"
        assert task["attempts"][0]["error"]["type"] == "/problems/deadline-exceeded"
        assert await worker.call("quick") == 42


async def test_a_coroutine_that_swallows_its_cancellation_is_left_behind_and_counted(
    tmp_path: Path,
) -> None:
    stop = tmp_path / "stop"
    functions = {"stubborn.py": STUBBORN, "quick.py": QUICK}
    async with browserless_worker(tmp_path, functions, SLOTS=1) as worker:
        answer = await worker.submit("stubborn", input={"until": str(stop)}, timeout_s=0.2)
        assert answer.status == 504
        await worker.idle()
        assert worker.worker.runner.detached == 1
        metrics = (await worker.request("GET", "/metrics")).body
        assert b"slotgrid_detached_functions 1.0" in metrics
        [line] = worker.events_logged("function.detached")
        assert line["function"] == "stubborn"
        assert line["task_id"] == answer.json["task_id"]
        # The one slot serves others while the function still runs.
        assert await worker.call("quick") == 42
        before = await worker.task(answer.json["task_id"])

        stop.touch()
        await until(lambda: worker.worker.runner.detached == 0)
        assert (tmp_path / "stop.over").exists()
        assert stop.read_text() == ""
        assert await worker.task(answer.json["task_id"]) == before


async def test_an_earlier_attempt_that_goes_on_is_not_heard_in_the_next(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    functions = {
        "twice.py": """
            import asyncio
            from pathlib import Path

            @function(timeout_s=2, retries=1)
            async def twice(context: Context, gate: str) -> str:
                if context.attempt == 2:
                    Path(gate).touch()
                    await asyncio.sleep(0.3)
                    return "the second"
                while not Path(gate).exists():
                    try:
                        await asyncio.sleep(0.02)
                    except asyncio.CancelledError:
                        pass
                await context.status("the first again")
        """
    }
    async with browserless_worker(tmp_path, functions) as worker:
        answer = await worker.submit("twice", input={"gate": str(gate)}, timeout_s=0.5)
        assert answer.status == 200
        assert answer.json["result"] == "the second"
        events = await worker.request("GET", f"/tasks/{answer.json['id']}/events")
        assert b"the first again" not in events.body
        await until(lambda: worker.worker.runner.detached == 0)


async def test_a_cancelled_task_winds_up_and_gives_its_slot_back(tmp_path: Path) -> None:
    note = tmp_path / "note"
    async with browserless_worker(tmp_path, {"sleeps.py": SLEEPS}) as worker:
        running = await worker.start("sleeps", note=str(note))
        await running.says("status")
        cancelled = await worker.request("POST", f"/tasks/{running.task.id}/cancel")
        assert cancelled.json == {"success": True, "id": running.task.id, "status": "cancelled"}
        problem = await running.problem(409)
        assert problem["type"] == "/problems/task-cancelled"
        assert problem["reason"] == "root cancelled it"
        assert note.read_text() == "wound up"
        again = await worker.request("POST", f"/tasks/{running.task.id}/cancel")
        assert again.json["type"] == "/problems/task-finished"


async def test_a_caller_who_hangs_up_takes_a_sync_task_along(tmp_path: Path) -> None:
    note = tmp_path / "note"
    async with browserless_worker(tmp_path, {"sleeps.py": SLEEPS}) as worker:
        running = await worker.start("sleeps", note=str(note))
        await running.says("status")
        await running.hang_up()
        assert await running.ended() is TaskState.CANCELLED
        await worker.idle()
        assert note.read_text() == "wound up"
        assert running.task.cancel_reason == "the caller disconnected"


async def test_a_caller_who_hangs_up_takes_a_streamed_task_along(tmp_path: Path) -> None:
    note = tmp_path / "note"
    async with browserless_worker(tmp_path, {"sleeps.py": SLEEPS}) as worker:
        body = {"function": "sleeps", "input": {"note": str(note)}, "mode": "stream"}
        async with worker.caller.post("/task", json=body) as response:
            assert b"asleep" in await response.content.readuntil(b"\n\n")
            [task] = worker.worker.supervisor.live
            response.close()
        await task.wait_finished()
        assert task.state is TaskState.CANCELLED
        await worker.idle()
        assert note.read_text() == "wound up"


async def test_a_caller_who_hangs_up_while_waiting_leaves_the_queue(tmp_path: Path) -> None:
    async with browserless_worker(
        tmp_path, {"sleeps.py": SLEEPS, "quick.py": QUICK}, SLOTS=1
    ) as worker:
        running = await worker.start("sleeps", note=str(tmp_path / "one"))
        await running.says("status")
        waiting = await worker.start("quick")
        assert worker.worker.dispatcher.position(waiting.task) == 1
        await waiting.hang_up()
        assert await waiting.ended() is TaskState.CANCELLED
        assert worker.worker.dispatcher.waiting == 0
        assert waiting.task.attempts == []


async def test_a_deadline_kills_a_plain_function_wherever_it_is(tmp_path: Path) -> None:
    async with browserless_worker(tmp_path, {"plain.py": PLAIN}, SLOTS=1) as worker:
        for how in ("sleeps", "loops"):
            running = await worker.start("plain", fields={"timeout_s": 1.5}, how=how)
            pid = (await running.says("pid"))["data"]
            problem = await running.problem(504)
            assert problem["type"] == "/problems/deadline-exceeded"
            await worker.idle()
            assert not psutil.pid_exists(pid)
            assert worker.worker.runner.detached == 0
            assert await worker.call("plain", how="quick") == 42


async def test_a_cancel_kills_a_plain_function(tmp_path: Path) -> None:
    async with browserless_worker(tmp_path, {"plain.py": PLAIN}) as worker:
        running = await worker.start("plain", how="loops")
        pid = (await running.says("pid"))["data"]
        await running.hang_up()
        assert await running.ended() is TaskState.CANCELLED
        await worker.idle()
        assert not psutil.pid_exists(pid)


async def test_a_task_that_waits_too_long_for_a_slot_never_starts(tmp_path: Path) -> None:
    async with browserless_worker(
        tmp_path, {"sleeps.py": SLEEPS, "quick.py": QUICK}, SLOTS=1
    ) as worker:
        running = await worker.start("sleeps", note=str(tmp_path / "one"))
        await running.says("status")
        answer = await worker.submit("quick", wait_s=0.1)
        assert answer.status == 504
        assert answer.json["type"] == "/problems/wait-exceeded"
        assert answer.json["reason"] == "every slot is busy"
        task = await worker.task(answer.json["task_id"])
        assert task["status"] == "failed"
        assert task["attempts"] == []


async def test_everything_live_is_cancelled_at_once_when_filters_name_it(tmp_path: Path) -> None:
    async with browserless_worker(
        tmp_path, {"sleeps.py": SLEEPS, "quick.py": QUICK}, SLOTS=1
    ) as worker:
        running = await worker.start("sleeps", note=str(tmp_path / "one"))
        await running.says("status")
        waiting = [await worker.start("sleeps", note=str(tmp_path / "two")) for _ in range(3)]
        other = await worker.start("quick")
        answer = await worker.request("POST", "/tasks/cancel?function=sleeps")
        assert answer.json["cancelled"] == 4
        assert set(answer.json["ids"]) == {each.task.id for each in (running, *waiting)}
        assert await other.result() == 42
        for each in (running, *waiting):
            assert (await each.problem(409))["reason"] == "root cancelled it"
        assert not (tmp_path / "two").exists()


async def test_maintenance_refuses_the_new_and_leaves_the_running_alone(tmp_path: Path) -> None:
    async with browserless_worker(tmp_path, {"sleeps.py": SLEEPS, "quick.py": QUICK}) as worker:
        running = await worker.start("sleeps", note=str(tmp_path / "note"))
        await running.says("status")
        assert (await worker.request("POST", "/off")).status == 200
        refused = await worker.submit("quick")
        assert refused.status == 503
        assert refused.json["type"] == "/problems/maintenance"
        assert "Retry-After" in refused.headers
        assert running.task.state is TaskState.RUNNING
        assert (await worker.request("POST", "/on")).status == 200
        assert await worker.call("quick") == 42
        worker.worker.cancel_everything("a test asked")
        problem = await running.problem(409)
        assert problem["reason"] == "the worker was told to stop at once (a test asked)"
