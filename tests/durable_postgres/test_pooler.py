"""Nodes behind PgBouncer in transaction mode, and connect parameters that any pooler takes."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from slotgrid.records.engines import engine_of
from tests.harness.processes.durable_fleet import (
    fleet,
    hold_slots,
    task_of,
    until_taken_over,
    until_told,
)
from tests.harness.processes.pgbouncer import pooled

MANY = 100
LIMITS = {
    "statement_timeout": "10s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "10s",
}


@pytest.fixture
def pooled_url(database_url: str) -> Iterator[str]:
    """The URL of an empty database, through the pooler."""
    with pooled(database_url) as url:
        yield url


def shown(connection: sa.Connection) -> dict[str, str]:
    return {name: str(connection.execute(sa.text(f"SHOW {name}")).scalar_one()) for name in LIMITS}


def test_limits_hold_in_each_transaction_and_in_no_other_clients(pooled_url: str) -> None:
    engine = engine_of(pooled_url, Path(), pool=1)
    for _ in range(3):
        with engine.begin() as connection:
            assert shown(connection) == LIMITS
    with engine.begin() as connection, connection.begin_nested():
        assert shown(connection) == LIMITS
    engine.dispose()
    with psycopg.connect(pooled_url) as other:  # it gets a connection that was ours
        assert other.execute("SHOW statement_timeout").fetchone() == ("0",)


def test_statements_run_often_on_ever_other_connections(pooled_url: str) -> None:
    """A driver that prepares what it runs often fails here: the server does not know the name."""
    engine = engine_of(pooled_url, Path(), pool=8)
    connections = [engine.connect() for _ in range(3)]
    for number in range(60):
        connection = connections[number % 3]
        assert connection.execute(sa.text("SELECT :n + 1"), {"n": number}).scalar() == number + 1
        connection.commit()
    for connection in connections:
        connection.close()
    engine.dispose()


def test_no_start_up_option_and_no_prepared_statement_is_asked_for(database_url: str) -> None:
    engine = engine_of(database_url, Path(), pool=1)
    with engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        assert "options" not in driver.info.get_parameters()
        assert driver.prepare_threshold is None
    engine.dispose()


def test_limits_that_the_url_sets_win(database_url: str) -> None:
    url = f"{database_url}?options=-c%20lock_timeout%3D300ms"
    engine = engine_of(url, Path(), pool=1)
    with engine.begin() as connection:
        assert shown(connection) == LIMITS | {"lock_timeout": "300ms"}
    engine.dispose()


async def test_tasks_run_are_taken_over_and_delivered_through_it(
    tmp_path: Path, pooled_url: str
) -> None:
    async with fleet(tmp_path, pooled_url, "a", "b") as (at_a, at_b), at_b.node() as b:
        async with at_a.node() as a:
            await asyncio.gather(a.submit_many("once", MANY), b.submit_many("again", MANY))
            await a.settled()
            ran = await hold_slots(a, tmp_path / "never")
            await a.submit_many("again", 5)
            a.kill()
            await a.died()
        await until_taken_over(b)
        tasks = await b.settled()
        for task_id in ran:
            assert await until_told(at_b, task_id) == {"failed"}
            assert (await task_of(b, task_id))["error"]["type"] == "/problems/worker-lost"
    others = [task for task in tasks if task["id"] not in ran]
    assert {task["status"] for task in others} == {"completed"}
    assert set(at_b.ran().values()) <= {1, 2}
    assert {task["id"] for task in tasks} == set(at_b.told_of())
