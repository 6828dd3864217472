"""What else than a free slot decides when a task starts: concurrency, rate, services."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from slotgrid.core.task_states import TaskState
from tests.harness.in_process.worker import browserless_worker
from tests.harness.waiting import until

GATED = """
    import asyncio
    from pathlib import Path

    @function(concurrency=1)
    async def gated(context: Context, until: str) -> None:
        await context.status("in")
        while not Path(until).exists():
            await asyncio.sleep(0.02)
"""
QUICK = """
    @function()
    async def quick(context: Context) -> int:
        return 42
"""
SERVICE = """
    import asyncio
    from pathlib import Path

    HERE = Path(__file__).parent

    @service("helper")
    class Helper:
        async def start(self) -> None:
            if (HERE / "down").exists():
                raise OSError("it is told to be down")

        async def stop(self) -> None:
            pass

        async def status(self) -> str:
            if (HERE / "down").exists():
                raise OSError("it is told to be down")
            return "well"

        def help(self) -> str:
            return "helped"
"""
NEEDY = """
    @function(requires=("helper",))
    async def needy(context: Context) -> str:
        return context.service("helper").help()
"""
NOSY = """
    @function()
    async def nosy(context: Context) -> str:
        return context.service("helper").help()
"""


async def test_concurrency_holds_a_function_back_and_nobody_else(tmp_path: Path) -> None:
    go = tmp_path / "go"
    functions = {"gated.py": GATED, "quick.py": QUICK}
    async with browserless_worker(tmp_path, functions, SLOTS=3) as worker:
        first = await worker.start("gated", until=str(go))
        await first.says("status")
        second = await worker.start("gated", until=str(go))
        assert await worker.call("quick") == 42
        assert second.task.state is TaskState.QUEUED
        assert worker.worker.slots.used == 1
        late = await worker.submit("gated", input={"until": str(go)}, wait_s=0.05)
        assert late.status == 504
        assert late.json["reason"] == "the function's concurrency of 1 is used up"
        go.touch()
        assert await second.result() is None


async def test_a_rate_holds_the_next_start_back_until_the_window_has_room(tmp_path: Path) -> None:
    functions = {
        "rated.py": """
            import time

            @function(rate="2/s")
            async def rated(context: Context) -> float:
                return time.monotonic()
        """,
        "quick.py": QUICK,
    }
    async with browserless_worker(tmp_path, functions, SLOTS=5) as worker:
        tasks = [await worker.start("rated") for _ in range(5)]
        assert await worker.call("quick") == 42
        starts = sorted([await task.result() for task in tasks])
        # Never more than two in a second: each start is a second after the one before the last.
        # A little less, as a start is counted when the slot is taken, a moment before this.
        assert all(
            later - earlier > 0.95 for earlier, later in zip(starts, starts[2:], strict=False)
        )


async def test_tasks_wait_for_their_service_and_others_go_on(tmp_path: Path) -> None:
    functions = {"helper.py": SERVICE, "needy.py": NEEDY, "quick.py": QUICK, "nosy.py": NOSY}
    async with browserless_worker(tmp_path, functions) as worker:
        services = worker.worker.services
        await until(lambda: services.is_up("helper"))
        assert await worker.call("needy") == "helped"
        [report] = (await worker.get("/health"))["services"]
        assert (report["state"], report["status"], report["error"]) == ("up", "well", None)

        down = worker.folder.path / "down"
        down.touch()
        await until(lambda: not services.is_up("helper"))
        waiting = [await worker.start("needy") for _ in range(3)]
        assert await worker.call("quick") == 42
        assert {task.task.state for task in waiting} == {TaskState.QUEUED}
        late = await worker.submit("needy", wait_s=0.05)
        assert late.json["reason"] == "the service helper is down"
        [report] = (await worker.get("/health"))["services"]
        assert "it is told to be down" in report["error"]

        down.unlink()
        for task in waiting:
            assert await task.result() == "helped"
        [report] = (await worker.get("/health"))["services"]
        assert report["state"] == "up"
        assert report["restarts"] >= 1


async def test_a_service_that_is_down_from_the_start_holds_its_tasks_until_it_comes(
    tmp_path: Path,
) -> None:
    functions = {"helper.py": SERVICE, "needy.py": NEEDY, "quick.py": QUICK}
    (tmp_path / "functions").mkdir()
    down = tmp_path / "functions" / "down"
    down.touch()
    async with browserless_worker(tmp_path, functions) as worker:
        waiting = await worker.start("needy")
        assert await worker.call("quick") == 42
        assert waiting.task.state is TaskState.QUEUED
        down.unlink()
        assert await waiting.result() == "helped"


async def test_a_service_killed_by_force_comes_back_and_its_tasks_with_it(tmp_path: Path) -> None:
    functions = {
        "helper.py": """
            import asyncio
            from asyncio.subprocess import PIPE

            @service("helper")
            class Helper:
                async def start(self) -> None:
                    self.process = await asyncio.create_subprocess_exec("cat", stdin=PIPE)

                async def stop(self) -> None:
                    if self.process.returncode is None:
                        self.process.stdin.close()
                    await self.process.wait()

                async def status(self) -> int:
                    if self.process.returncode is not None:
                        raise OSError(f"it ended with {self.process.returncode}")
                    return self.process.pid
        """,
        "needy.py": """
            @function(requires=("helper",))
            async def needy(context: Context) -> int:
                return context.service("helper").process.pid
        """,
        "quick.py": QUICK,
    }
    async with browserless_worker(tmp_path, functions) as worker:
        killed = await worker.call("needy")
        os.kill(killed, signal.SIGKILL)
        await until(lambda: not worker.worker.services.is_up("helper"))
        waiting = await worker.start("needy")
        assert await worker.call("quick") == 42
        assert await waiting.result() != killed


async def test_a_function_may_use_only_the_services_that_it_names(tmp_path: Path) -> None:
    functions = {"helper.py": SERVICE, "nosy.py": NOSY}
    async with browserless_worker(tmp_path, functions) as worker:
        problem = await worker.problem("nosy")
        assert "nosy does not name the service 'helper' in `requires`" in problem["detail"]


@pytest.mark.parametrize("rising", [True, False])
async def test_priority_decides_among_those_that_wait(tmp_path: Path, *, rising: bool) -> None:
    go = tmp_path / "go"
    functions = {
        "gated.py": GATED.replace("concurrency=1", ""),
        "order.py": """
            done = []

            @function()
            async def order(context: Context, number: int) -> list[int]:
                done.append(number)
                return done
        """,
    }
    async with browserless_worker(tmp_path, functions, SLOTS=1) as worker:
        first = await worker.start("gated", until=str(go))
        await first.says("status")
        numbers = [1, 5, 9] if rising else [9, 5, 1]
        tasks = [
            await worker.start("order", fields={"priority": number}, number=number)
            for number in numbers
        ]
        go.touch()
        results = await asyncio.gather(*(task.result() for task in tasks))
        assert max(results, key=len) == [1, 5, 9]
