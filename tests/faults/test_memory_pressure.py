"""A machine that runs out of memory: no task starts until there is room again."""

from pathlib import Path

from slotgrid.core.task_states import TaskState
from tests.harness.in_process.worker import browserless_worker
from tests.harness.waiting import until

QUICK = """
    @function()
    async def quick(context: Context) -> int:
        return 42
"""


class Memory:
    """How much of it is in use; remembers how often it was asked."""

    def __init__(self, used_percent: float) -> None:
        self.used = used_percent
        self.looks = 0

    def used_percent(self) -> float:
        self.looks += 1
        return self.used

    async def seen(self) -> None:
        """Return when the guard has surely looked at what is in use now, and acted on it."""
        looks = self.looks
        await until(lambda: self.looks >= looks + 2)


async def test_above_the_limit_tasks_wait_and_below_it_they_run(tmp_path: Path) -> None:
    memory = Memory(50.0)
    async with browserless_worker(
        tmp_path, {"quick.py": QUICK}, used_percent=memory.used_percent, MEMORY_LIMIT_PERCENT=90
    ) as worker:
        slots = worker.worker.slots
        assert await worker.call("quick") == 42
        memory.used = 90.0
        await memory.seen()
        waiting = [await worker.start("quick") for _ in range(3)]
        late = await worker.submit("quick", wait_s=0.05)
        assert late.status == 504
        assert late.json["reason"] == "memory is 90 % used, the limit is 90 %"
        health = await worker.get("/health")
        assert health["slots"]["held"] == "memory is 90 % used, the limit is 90 %"
        assert health["slots"]["available"] == 0
        assert health["system"]["used_memory_percent"] == 90.0
        memory.used = 89.0  # not yet: leases would come and go at the edge
        await memory.seen()
        assert slots.held is not None
        assert {each.task.state for each in waiting} == {TaskState.QUEUED}
        memory.used = 87.0
        for each in waiting:
            assert await each.result() == 42
        health = await worker.get("/health")
        assert (health["slots"]["held"], health["slots"]["available"]) == (None, 2)
        held, released = worker.events_logged("slots.held"), worker.events_logged("slots.released")
        assert (len(held), len(released)) == (1, 1)


async def test_what_runs_already_goes_on_under_pressure(tmp_path: Path) -> None:
    memory, go = Memory(50.0), tmp_path / "go"
    functions = {
        "waits.py": """
            import asyncio
            from pathlib import Path

            @function()
            async def waits(context: Context, go: str) -> int:
                await context.status("begun")
                while not Path(go).exists():
                    await asyncio.sleep(0.02)
                return 42
        """
    }
    async with browserless_worker(tmp_path, functions, used_percent=memory.used_percent) as worker:
        running = await worker.start("waits", go=str(go))
        await running.says("status")
        memory.used = 100.0
        await memory.seen()
        assert worker.worker.slots.held is not None
        go.touch()
        assert await running.result() == 42
        # What held it back must not outlast the test: nothing may wait at the end.
        late = await worker.submit("waits", input={"go": str(go)}, wait_s=0.05)
        assert late.json["type"] == "/problems/wait-exceeded"
