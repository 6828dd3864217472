"""What DBOS leaves of the event loop that it was a guest of."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from slotgrid.core.errors import DatabaseUnavailable
from slotgrid.records import dbos_engine
from slotgrid.records.dbos_engine import THREADS, DurableEngine
from slotgrid.records.engines import engine_of

SOON_S = 0.3
"""Well after DBOS would have thrown away what waits for one of its threads."""


async def never(*_: object) -> Any:
    raise AssertionError("there is nothing to deliver")


async def test_who_waits_for_a_thread_when_dbos_ends_still_gets_one(tmp_path: Path) -> None:
    loop, gate = asyncio.get_running_loop(), threading.Event()
    engine = DurableEngine(
        engine_of(None, tmp_path, pool=1), executor="a node", attempt=never, broken_off=never
    )
    async with engine.running():
        await engine.unfinished()  # DBOS makes its threads the loop's own
        busy = [loop.run_in_executor(None, gate.wait) for _ in range(THREADS)]
        waiting = loop.run_in_executor(None, threading.current_thread)
        loop.call_later(SOON_S, gate.set)
    await asyncio.gather(waiting, *busy)
    assert await asyncio.to_thread(threading.current_thread) is not waiting.result()


async def test_faults_of_dbos_are_those_of_the_database_and_pass(tmp_path: Path) -> None:
    engine = DurableEngine(
        engine_of(None, tmp_path, pool=1), executor="a node", attempt=never, broken_off=never
    )
    other = engine_of(None, tmp_path, pool=1)

    def run(statement: str) -> None:
        with other.begin() as connection:
            connection.execute(sa.text(statement))

    async with engine.running():
        run("ALTER TABLE workflow_status RENAME TO elsewhere")
        with pytest.raises(DatabaseUnavailable):
            await engine.forsake("a dead node")
        with pytest.raises(DatabaseUnavailable):
            await engine.unfinished()
        with pytest.raises(DatabaseUnavailable):
            await engine.start("a workflow", "a task", 1, 3600.0)
        run("ALTER TABLE elsewhere RENAME TO workflow_status")
        await engine.start("a workflow", "a task", 1, 3600.0)
        assert await engine.unfinished() == {"a workflow"}
        await engine.forsake("a node")
        assert await engine.unfinished() == set()
    other.dispose()


async def test_a_takeover_waits_a_bounded_time_for_dbos(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dbos_engine, "FORSAKE_S", 0.05)
    engine = DurableEngine(
        engine_of(None, tmp_path, pool=1), executor="a node", attempt=never, broken_off=never
    )
    other = engine_of(None, tmp_path, pool=1)
    async with engine.running():
        await engine.start("a workflow", "a task", 1, 3600.0)
        with other.begin() as connection:  # DBOS tries again and again while another one writes
            connection.execute(sa.text("BEGIN EXCLUSIVE"))
            with pytest.raises(DatabaseUnavailable):
                await engine.forsake("a node")
    other.dispose()
