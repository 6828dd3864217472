"""What goes on with tasks of an earlier process costs nothing when there are none."""

import asyncio
from pathlib import Path

from slotgrid.durable.recovery import LOOK_S
from tests.harness.in_process.durable_worker import accepted, durable_worker, finished


async def test_nobody_looks_for_functions_that_no_task_waits_for(tmp_path: Path) -> None:
    naps: list[float] = []

    async def sleep(seconds: float) -> None:
        naps.append(seconds)
        await asyncio.sleep(seconds)

    async with durable_worker(tmp_path) as worker:
        worker.worker.durability._recovery._sleep = sleep
        await finished(worker, await accepted(worker, "say", input={"text": "a"}))
        await asyncio.sleep(3 * LOOK_S)
    assert naps == []
