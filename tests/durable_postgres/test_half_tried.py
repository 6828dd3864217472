"""Webhooks whose first attempts failed, over faults of the database and restarts, on both."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from aiohttp import web

from slotgrid.backoff import Backoff
from slotgrid.webhooks import deliveries
from slotgrid.webhooks.sender import WebhookSender
from tests.harness.in_process.durable_worker import accepted, delivered, durable_worker
from tests.harness.in_process.worker import RunningWorker
from tests.harness.peers.receivers import Receiver, receiver

GIVE_UP_S = 60.0
RETRIES = 3
LOCK_WAIT_MS = 500


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """One to two seconds between attempts, in which a test can take a lock."""
    monkeypatch.setattr(deliveries, "BACKOFF", Backoff(2.0, 2.0))


@pytest.fixture(params=["sqlite", "postgresql"])
def env(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The settings of a node on that database."""
    found: dict[str, Any] = {"WEBHOOK_RETRIES": RETRIES}
    if request.param == "postgresql":
        found["DATABASE_URL"] = request.getfixturevalue("database_url")
    return found


@asynccontextmanager
async def refusing(times: int) -> AsyncIterator[Receiver]:
    """Answers so many webhooks with 500."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=500 if len(told.received) <= times else 200)

    async with receiver(answer) as told:
        yield told


@contextmanager
def locked(url: str) -> Iterator[None]:
    """Nobody else gets at the table of what is due."""
    with psycopg.connect(url) as other:
        other.execute("LOCK TABLE slotgrid_due IN ACCESS EXCLUSIVE MODE")
        yield


async def half_tried(worker: RunningWorker, told: Receiver) -> str:
    """The id of a task whose first attempt has failed, and is on record."""
    task_id = await accepted(
        worker, "say", mode="webhook", webhook={"url": told.url}, input={"text": "a"}
    )
    async with asyncio.timeout(GIVE_UP_S):
        while not (await worker.task(task_id))["deliveries"]:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return task_id


async def numbers(worker: RunningWorker, task_id: str) -> list[int]:
    """Of the attempts that were made, when it has been delivered."""
    task = await delivered(worker, task_id)
    return [attempt["number"] for attempt in task["deliveries"]]


async def test_a_node_that_ends_meanwhile_goes_on_from_there_at_its_next_start(
    tmp_path: Path, env: dict[str, Any]
) -> None:
    async with refusing(RETRIES) as told:
        async with durable_worker(tmp_path, **env) as worker:
            task_id = await half_tried(worker, told)
        async with durable_worker(tmp_path, **env) as worker:
            assert await numbers(worker, task_id) == [1, 2, 3, 4]
        assert len(told.received) == 1 + RETRIES


async def test_a_table_that_is_locked_delays_attempts_and_adds_none(
    tmp_path: Path, database_url: str
) -> None:
    url = f"{database_url}?options=-c%20lock_timeout%3D{LOCK_WAIT_MS}ms"
    async with (
        refusing(RETRIES) as told,
        durable_worker(tmp_path, DATABASE_URL=url, WEBHOOK_RETRIES=RETRIES) as worker,
    ):
        task_id = await half_tried(worker, told)
        with locked(database_url):
            await asyncio.sleep(3.0)  # the second attempt comes due, and cannot be claimed
            assert len(told.received) == 1
        assert await numbers(worker, task_id) == [1, 2, 3, 4]
        assert len(told.received) == 1 + RETRIES


async def test_an_attempt_that_cannot_be_noted_for_a_while_is_not_made_twice(
    tmp_path: Path,
) -> None:
    """On SQLite. What stands before the disk is full and what after it is for no test to choose,
    so the engine answers as SQLite does then.
    """
    full, refused = False, 0

    def refuse(_: object, __: object, statement: str, *___: object) -> None:
        nonlocal refused
        if full and statement.startswith("UPDATE slotgrid_due SET claimer=?, due_at=?, attempt"):
            refused += 1
            error = sqlite3.OperationalError("database or disk is full")
            raise sa.exc.OperationalError(statement, None, error)

    async with (
        refusing(RETRIES) as told,
        durable_worker(tmp_path, WEBHOOK_RETRIES=RETRIES) as worker,
    ):
        engine = worker.worker.durability.database._engine
        sa.event.listen(engine, "before_cursor_execute", refuse)
        full = True
        task_id = await accepted(
            worker, "say", mode="webhook", webhook={"url": told.url}, input={"text": "a"}
        )
        async with asyncio.timeout(GIVE_UP_S):
            while refused < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert len(told.received) == 1
        full = False
        assert await numbers(worker, task_id) == [1, 2, 3, 4]
        assert len(told.received) == 1 + RETRIES


async def test_a_redelivery_begins_anew_while_an_attempt_waits(
    tmp_path: Path, env: dict[str, Any]
) -> None:
    async with refusing(2) as told, durable_worker(tmp_path, **env) as worker:
        task_id = await half_tried(worker, told)
        answer = await worker.request("POST", f"/tasks/{task_id}/redeliver")
        assert answer.status == 202
        assert await numbers(worker, task_id) == [1, 1, 2]
        assert len(told.received) == 3


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
        assert errors == ["the node failed on the webhook: KeyError"] * 2 + [None]
        assert len(told.received) == 1
