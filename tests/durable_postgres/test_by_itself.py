"""A node whose database, or that itself, stands still for a while does all its work again by
itself: no state that says "unavailable" outlives its cause.
"""

import asyncio
import signal
import sqlite3
from pathlib import Path

import psycopg
import pytest

from tests.harness.processes.every_mode import under
from tests.harness.processes.nodes import nodes
from tests.harness.processes.postgres import Postgres
from tests.harness.sizes import long
from tests.harness.waiting import until

STALL_S = 13.0
"""Longer than a request waits for its answer."""

# Both kinds of nodes use the database by the same code, so the short form takes turns.
KINDS = pytest.mark.parametrize("kind", ["worker", long("balancer")])


@pytest.mark.parametrize(
    ("kind", "sqlite"),
    [("balancer", True), ("worker", False), long("worker", True), long("balancer", False)],
    ids=["balancer-sqlite", "worker-postgresql", "worker-sqlite", "balancer-postgresql"],
)
async def test_a_process_that_is_stopped_and_goes_on_works_again(
    tmp_path: Path, shared_server: Postgres, kind: str, sqlite: bool
) -> None:
    env = {} if sqlite else {"DATABASE_URL": shared_server.create_database()}
    async with nodes(tmp_path) as started, under(started, kind, tmp_path, **env) as fault:
        async with fault.pressure():
            fault.node.process.send(signal.SIGSTOP)
            await asyncio.sleep(STALL_S)
            fault.node.process.send(signal.SIGCONT)
        await fault.works_again()


@KINDS
async def test_a_database_that_stands_still_and_goes_on_is_used_again(
    tmp_path: Path, own_server: Postgres, kind: str
) -> None:
    env = {"DATABASE_URL": own_server.create_database()}
    async with nodes(tmp_path) as started, under(started, kind, tmp_path, **env) as fault:
        async with fault.pressure():
            with own_server.frozen():
                await asyncio.sleep(STALL_S + 3)
        await fault.works_again()
        lines = fault.events("database.unavailable")
        assert len(lines) == 1, lines
        assert len(fault.events("database.available")) == 1
        assert not fault.events("background.died")


@KINDS
async def test_reads_that_wait_behind_slow_ones_end_nothing(
    tmp_path: Path, database_url: str, kind: str
) -> None:
    # More than the threads that read, each held up for longer than a caller waits.
    slow = f"{database_url}?options=-c%20lock_timeout%3D60s%20-c%20statement_timeout%3D60s"
    async with (
        nodes(tmp_path) as started,
        under(started, kind, tmp_path, DATABASE_URL=slow) as fault,
    ):
        with psycopg.connect(database_url) as other:
            other.execute("LOCK TABLE slotgrid_tasks IN ACCESS EXCLUSIVE MODE")
            listing = [fault.node.request("GET", "/tasks") for _ in range(8)]
            answers = await asyncio.gather(*listing)
            assert {answer.status for answer in answers} == {503}
        await fault.works_again()


async def test_a_database_that_another_process_locks_is_used_again(tmp_path: Path) -> None:
    async with nodes(tmp_path) as started, under(started, "worker", tmp_path) as fault:
        database = tmp_path / "node" / "data" / "slotgrid.sqlite"
        async with fault.pressure():
            other = sqlite3.connect(database, isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            await asyncio.sleep(STALL_S + 1)
            await until(lambda: bool(fault.refused))
            other.execute("ROLLBACK")
            other.close()
        assert fault.refused
        await fault.works_again()
