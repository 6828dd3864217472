"""Durable tasks are prefetched from disk in the order of the queue."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from slotgrid.core.errors import ServiceError, UnknownFunction
from slotgrid.core.task import Task
from slotgrid.durable.prefetch_buffer import PrefetchBuffer
from slotgrid.durable.prefetcher import Prefetcher
from slotgrid.records.database import Database
from slotgrid.records.engines import engine_of
from slotgrid.records.store import acceptance
from slotgrid.runtime.background import background
from tests.slotgrid.records.recorded import NODE, async_task, record
from tests.worker.browser.waiting import until


class Admission:
    """Restores each task but the one whose function is gone."""

    def __init__(self, tasks: list[Task], gone: Task) -> None:
        self._tasks = {task.id: task for task in tasks}
        self._gone = gone

    def readmit(self, *_: Any, **fields: Any) -> Task:
        """The task of the id in `fields`."""
        if fields["id"] == self._gone.id:
            raise UnknownFunction("it is gone")
        return self._tasks[fields["id"]]


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(engine_of(None, tmp_path, pool=2))
    async with database.running():
        yield database


async def test_a_task_that_fails_when_restored_holds_up_none_behind_it(database: Database) -> None:
    tasks = [async_task(created_at=time.time() + n) for n in range(3)]
    await database.write(lambda c: acceptance.insert(c, [[record(task) for task in tasks]]))
    done: list[str] = []

    async def fail(task_id: str, _: ServiceError) -> None:
        await asyncio.sleep(0)  # others run meanwhile, and could take a slot
        done.append(f"failed {task_id}")

    prefetcher = Prefetcher(
        database,
        PrefetchBuffer(),
        node=NODE,
        admission=Admission(tasks, gone=tasks[1]),  # type: ignore[arg-type]  # only what it uses
        clock=time.time,
        steady=time.time,
        load=lambda task, *_: done.append(f"loaded {task.id}"),
        fail=fail,
        cancel=lambda *_: None,
    )
    assert await prefetcher.count() == 3
    async with background(prefetcher.run, name="prefetcher"):
        await until(lambda: len(done) == 3)
    first, gone, last = (task.id for task in tasks)
    assert done == [f"loaded {first}", f"loaded {last}", f"failed {gone}"]
