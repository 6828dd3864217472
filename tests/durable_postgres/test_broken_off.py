"""Further attempts at a delivery that DBOS gives up: they go on, and none is made for it twice."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from aiohttp import web

from slotgrid.core.retry_schedule import RetrySchedule
from slotgrid.records import durability
from slotgrid.records.webhooks import WebhookSender
from tests.durable.durable_worker import accepted, delivered, durable_worker
from tests.slotgrid.records.receivers import Receiver, receiver
from tests.worker.running import RunningWorker

GIVE_UP_S = 60.0
RETRIES = 3


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """One to two seconds between attempts, in which a test can take a lock."""
    schedule = partial(RetrySchedule, base_s=2.0, factor=1.0)
    monkeypatch.setattr(durability, "RetrySchedule", schedule)


@asynccontextmanager
async def refusing(times: int) -> AsyncIterator[Receiver]:
    """Answers so many webhooks with 500."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=500 if len(told.received) <= times else 200)

    async with receiver(answer) as told:
        yield told


def locks_soon_refused(url: str) -> str:
    return f"{url}?options=-c%20lock_timeout%3D500ms"


@contextmanager
def locked(url: str, mode: str, *tables: str) -> Iterator[None]:
    """Nobody else gets at these tables of DBOS; one that waits for a lock is a fault to it."""
    with psycopg.connect(url) as other:
        for table in tables:
            other.execute(f"LOCK TABLE dbos.{table} IN {mode} MODE".encode())
        yield


async def handed_over(worker: RunningWorker, told: Receiver, url: str) -> str:
    """The id of a task whose first attempt has failed; it is on record that the second waits."""

    def steps() -> int:
        with psycopg.connect(url) as connection:
            found = connection.execute("SELECT count(*) FROM dbos.operation_outputs").fetchone()
        return int(found[0]) if found else 0

    task_id = await accepted(
        worker, "say", mode="webhook", webhook={"url": told.url}, input={"text": "a"}
    )
    async with asyncio.timeout(GIVE_UP_S):
        while not await asyncio.to_thread(steps):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return task_id


async def broken_off(worker: RunningWorker) -> None:
    """Return when DBOS has given it up."""
    async with asyncio.timeout(GIVE_UP_S):
        while not any(  # noqa: ASYNC110
            line["event"] == "webhook.broken_off" for line in worker.worker.node.logs.entries()
        ):
            await asyncio.sleep(0.01)


async def numbers(worker: RunningWorker, task_id: str) -> list[int]:
    """Of the attempts that were made, when it has been delivered."""
    task = await delivered(worker, task_id)
    return [attempt["number"] for attempt in task["deliveries"]]


@pytest.mark.parametrize(
    ("mode", "made"),
    [
        pytest.param("ACCESS EXCLUSIVE", 1, id="before it is made"),
        pytest.param("SHARE", 2, id="after it is made"),  # DBOS can read, and cannot write
    ],
)
async def test_the_receiver_is_asked_as_often_as_the_schedule_says(
    tmp_path: Path, database_url: str, mode: str, made: int
) -> None:
    url = locks_soon_refused(database_url)
    async with (
        refusing(RETRIES) as told,
        durable_worker(tmp_path, DATABASE_URL=url, WEBHOOK_RETRIES=RETRIES) as worker,
    ):
        task_id = await handed_over(worker, told, database_url)
        with locked(database_url, mode, "operation_outputs"):
            await broken_off(worker)
            assert len(told.received) == made
        assert await numbers(worker, task_id) == [1, 2, 3, 4]
        assert len(told.received) == 1 + RETRIES


async def test_a_disk_that_is_full_when_dbos_records_an_attempt_makes_none_twice(
    tmp_path: Path,
) -> None:
    """On SQLite. What stands before the disk is full and what after it is for no test to choose,
    so the engine of DBOS answers as SQLite does then.
    """
    full = False

    def refuse(_: object, __: object, statement: str, *___: object) -> None:
        if full and statement.startswith("INSERT INTO main.operation_outputs"):
            error = sqlite3.OperationalError("database or disk is full")
            raise sa.exc.OperationalError(statement, None, error)

    async with (
        refusing(RETRIES) as told,
        durable_worker(tmp_path, WEBHOOK_RETRIES=RETRIES) as worker,
    ):
        workflows = worker.worker.durability._deliveries._engine._engine
        sa.event.listen(workflows, "before_cursor_execute", refuse)
        task_id = await accepted(
            worker, "say", mode="webhook", webhook={"url": told.url}, input={"text": "a"}
        )
        while len(told.received) < 1:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        full = True
        await broken_off(worker)
        full = False
        assert await numbers(worker, task_id) == [1, 2, 3, 4]
        assert len(told.received) == 1 + RETRIES


async def test_a_node_that_ends_meanwhile_goes_on_from_there_at_its_next_start(
    tmp_path: Path, database_url: str
) -> None:
    url = locks_soon_refused(database_url)
    env: dict[str, Any] = {"DATABASE_URL": url, "WEBHOOK_RETRIES": RETRIES}
    async with refusing(RETRIES) as told:
        with ExitStack() as until_ended:
            async with durable_worker(tmp_path, **env) as worker:
                task_id = await handed_over(worker, told, database_url)
                tables = ("operation_outputs", "workflow_status")
                until_ended.enter_context(locked(database_url, "ACCESS EXCLUSIVE", *tables))
                await broken_off(worker)
        async with durable_worker(tmp_path, **env) as worker:
            assert await numbers(worker, task_id) == [1, 2, 3, 4]
        assert len(told.received) == 1 + RETRIES


async def test_a_fault_of_the_nodes_own_counts_as_an_attempt(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    send, sent = WebhookSender.send, 0

    async def breaks(self: WebhookSender, delivery: object) -> object:
        nonlocal sent
        sent += 1
        if sent <= 2:
            raise KeyError("of ours")
        return await send(self, delivery)  # type: ignore[arg-type]

    monkeypatch.setattr(WebhookSender, "send", breaks)
    async with (
        refusing(0) as told,
        durable_worker(tmp_path, DATABASE_URL=database_url) as worker,
    ):
        task_id = await accepted(
            worker, "say", mode="webhook", webhook={"url": told.url}, input={"text": "a"}
        )
        task = await delivered(worker, task_id)
        errors = [attempt["error"] for attempt in task["deliveries"]]
        assert errors == ["the node failed to send it: KeyError"] * 2 + [None]
        assert len(told.received) == 1
