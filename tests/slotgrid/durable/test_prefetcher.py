"""Durable tasks are prefetched from disk in the order of the queue."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from slotgrid.core.errors import NoWorker, ServiceError, UnknownFunction
from slotgrid.core.task import Task
from slotgrid.durable.prefetch_buffer import PrefetchBuffer
from slotgrid.durable.prefetcher import Prefetcher
from slotgrid.records.database import Database
from slotgrid.records.engines import engine_of
from slotgrid.records.store import acceptance
from slotgrid.runtime.background import background
from tests.harness.waiting import until
from tests.slotgrid.core.fakes import PLAIN
from tests.slotgrid.records.recorded import NODE, async_task, record


class Admission:
    """Restores each task but those of the functions in `refused`."""

    def __init__(self, tasks: list[Task], refused: Mapping[str, ServiceError]) -> None:
        self._tasks = {task.id: task for task in tasks}
        self._refused = refused

    def has_share(self, _: str) -> bool:
        """No owner has a share."""
        return False

    def readmit(self, *_: Any, **fields: Any) -> Task:
        """The task of the id in `fields`."""
        task = self._tasks[fields["id"]]
        if (why := self._refused.get(task.spec.name)) is not None:
            raise why
        return task


async def recorded(database: Database, functions: Sequence[str]) -> list[Task]:
    """One waiting task of each function, in this order."""
    now = time.time()
    tasks = [async_task(created_at=now + n) for n in range(len(functions))]
    for task, name in zip(tasks, functions, strict=True):
        task.spec = replace(PLAIN, name=name)
    await database.write(lambda c: acceptance.insert(c, [[record(task) for task in tasks]]))
    return tasks


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(engine_of(None, tmp_path, pool=2))
    async with database.running():
        yield database


def prefetcher_of(
    database: Database,
    buffer: PrefetchBuffer,
    admission: Admission,
    *,
    load: Callable[[Task, str, float], object],
    fail: Callable[[str, ServiceError], Awaitable[None]],
) -> Prefetcher:
    return Prefetcher(
        database,
        buffer,
        node=NODE,
        admission=admission,  # type: ignore[arg-type]  # only what it uses
        clock=time.time,
        steady=time.time,
        load=load,  # type: ignore[arg-type]  # its result is ignored
        fail=fail,
        cancel=lambda *_: None,
    )


async def test_a_task_that_fails_when_restored_holds_up_none_behind_it(database: Database) -> None:
    tasks = await recorded(database, ["plain", "gone", "plain"])
    done: list[str] = []

    async def fail(task_id: str, _: ServiceError) -> None:
        await asyncio.sleep(0)  # others run meanwhile, and could take a slot
        done.append(f"failed {task_id}")

    admission = Admission(tasks, {"gone": UnknownFunction("it is gone")})
    prefetcher = prefetcher_of(
        database,
        PrefetchBuffer(),
        admission,
        load=lambda task, *_: done.append(f"loaded {task.id}"),
        fail=fail,
    )
    assert (await prefetcher.take_up()).total() == 3
    async with background(prefetcher.run, name="prefetcher"):
        await until(lambda: len(done) == 3)
    first, gone, last = (task.id for task in tasks)
    assert done == [f"loaded {first}", f"loaded {last}", f"failed {gone}"]


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(["gone", "plain", "plain"], id="one"),
        pytest.param(["gone"] * 3 + ["other"] * 2 + ["plain"] * 2, id="more than a read finds"),
    ],
)
async def test_tasks_whose_functions_no_worker_offers_hold_up_none_behind_them(
    database: Database, names: list[str]
) -> None:
    tasks = await recorded(database, names)
    buffer = PrefetchBuffer(size=2)

    async def fail(*_: object) -> None:
        raise AssertionError("no task fails")

    no_worker = NoWorker("no worker has the function yet")
    admission = Admission(tasks, {"gone": no_worker, "other": no_worker})
    prefetcher = prefetcher_of(database, buffer, admission, load=buffer.hold, fail=fail)
    await prefetcher.take_up()
    async with background(prefetcher.run, name="prefetcher"):
        await until(lambda: len(list(buffer)) == 2)
        await until(lambda: not any(buffer.overtakes(held) for held in buffer))
    assert [held.task.id for held in buffer] == [task.id for task in tasks[-2:]]
