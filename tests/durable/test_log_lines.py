"""The log of a durable task outlives the process that ran it."""

from pathlib import Path

import orjson

from slotgrid.durable.log_flush import LogFlush
from slotgrid.records.tables import log_lines
from tests.harness.in_process.durable_worker import accepted, durable_worker, finished
from tests.harness.in_process.worker import RunningWorker
from tests.harness.waiting import until

FUNCTIONS = {
    "quiet.py": """
        @function()
        async def quiet(context: Context) -> str:
            return "done"
    """,
    "writes.py": """
        @function(retries=1)
        async def writes(context: Context, times: int) -> str:
            for number in range(times):
                await context.log(f"line {number} of attempt {context.attempt}")
            if context.attempt == 1:
                raise ValueError("not yet")
            return "done"
    """,
    "stays.py": """
        import asyncio
        from pathlib import Path

        @function(timeout_s=60)
        async def stays(context: Context, until: str) -> str:
            await context.log("before the death")
            while not Path(until).exists():
                await asyncio.sleep(0.01)
            return "done"
    """,
}


async def lines_of(worker: RunningWorker, path: str) -> list[dict[str, str]]:
    answer = await worker.request("GET", path)
    assert answer.status == 200, answer.body
    return [orjson.loads(line) for line in answer.body.splitlines()]


async def test_the_log_of_a_task_that_has_ended_is_there_after_a_restart(tmp_path: Path) -> None:
    async with durable_worker(tmp_path, FUNCTIONS) as worker:
        wrote = await accepted(worker, "writes", input={"times": 3})
        quiet = await accepted(worker, "quiet")
        for task_id in (wrote, quiet):
            assert (await finished(worker, task_id))["status"] == "completed"
        before = [await lines_of(worker, f"/tasks/{task}/logs") for task in (wrote, quiet)]
    said = [line["line"] for line in before[0] if line["step"] == "main"]
    assert [line for line in said if line.startswith("line ")] == [
        f"line {number} of attempt {attempt}" for attempt in (1, 2) for number in range(3)
    ]
    assert [line["line"] for line in before[1]][-1] == "completed"
    async with durable_worker(tmp_path, FUNCTIONS) as worker:
        after = [await lines_of(worker, f"/tasks/{task}/logs") for task in (wrote, quiet)]
        assert after == before
        of_step = await lines_of(worker, f"/tasks/{wrote}/steps/main/logs?follow=true")
        assert of_step == [line for line in before[0] if line["step"] == "main"]


async def test_lines_are_recorded_while_their_task_runs_and_once(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    async with durable_worker(tmp_path, FUNCTIONS) as worker:
        task_id = await accepted(worker, "stays", input={"until": str(gate)})
        durable = worker.worker.durability
        held = durable.tasks._buffer.get(task_id)
        assert held is not None
        await until(lambda: held.task.has_lines)
        flush = LogFlush(durable.database, durable.tasks._buffer)
        await flush.run_once()
        await flush.run_once()
        kept = [line.payload for line in await worker.worker.repository.lines(task_id)]
        assert b'["stdout","before the death"]' in kept
        gate.touch()
        assert (await finished(worker, task_id))["status"] == "completed"
        shown = await lines_of(worker, f"/tasks/{task_id}/logs")
        kept = [line.payload for line in await worker.worker.repository.lines(task_id)]
        assert [orjson.loads(line)[1] for line in kept] == [line["line"] for line in shown]


async def test_a_flush_that_the_database_refuses_is_made_up_for(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    async with durable_worker(tmp_path, FUNCTIONS) as worker:
        database = worker.worker.durability.database
        task_id = await accepted(worker, "stays", input={"until": str(gate)})
        held = worker.worker.durability.tasks._buffer.get(task_id)
        assert held is not None
        await until(lambda: held.task.has_lines)
        await database.write(lambda c: c.execute(log_lines.delete()) and None)
        gate.touch()
        assert (await finished(worker, task_id))["status"] == "completed"
        kept = [line.payload for line in await worker.worker.repository.lines(task_id)]
        assert b'["stdout","before the death"]' in kept
