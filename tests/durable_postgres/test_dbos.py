"""What DBOS does in a node, on either database: JSON on disk, our loop, our log."""

import asyncio
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import orjson
import psycopg
import pytest
import sqlalchemy as sa
from aiohttp import web

from slotgrid.core.retry_schedule import RetrySchedule
from slotgrid.records import durability
from slotgrid.records.delivery import WebhookDeliveries
from tests.durable.durable_worker import GIVE_UP_S, accepted, delivered, durable_worker
from tests.durable.killing import killed
from tests.slotgrid.records.receivers import receiver
from tests.worker.running import RunningWorker

TABLES = ("workflow_status", "workflow_input", "workflow_output", "operation_outputs")
SECRET = "only in the headers of a webhook"


@pytest.fixture(params=["sqlite", "postgresql"])
def env(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The settings of a node on that database."""
    if request.param == "sqlite":
        return {}
    return {"DATABASE_URL": request.getfixturevalue("database_url")}


async def rows(worker: RunningWorker, table: str) -> list[dict[str, Any]]:
    """What DBOS has in that table."""

    def read(connection: sa.Connection) -> list[dict[str, Any]]:
        schema = "" if connection.dialect.name == "sqlite" else "dbos."
        found = connection.execute(sa.text(f"SELECT * FROM {schema}{table}")).mappings()
        return [dict(row) for row in found]

    return await worker.worker.durability.database.read(read)


async def test_further_attempts_are_json_on_disk_and_made_on_our_loop_over_a_restart(
    tmp_path: Path, env: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(durability, "RetrySchedule", partial(RetrySchedule, base_s=0.5))
    loops: list[asyncio.AbstractEventLoop] = []
    attempt = WebhookDeliveries.attempt

    async def noted(self: WebhookDeliveries, task_id: str, number: int) -> dict[str, Any]:
        loops.append(asyncio.get_running_loop())
        return await attempt(self, task_id, number)

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=500 if len(told.received) <= 2 else 200)

    monkeypatch.setattr(WebhookDeliveries, "attempt", noted)
    async with receiver(answer) as told:
        async with durable_worker(tmp_path, **env) as worker:
            webhook = {"url": told.url, "headers": {"X-Token": SECRET}}
            task_id = await accepted(
                worker, "say", mode="webhook", webhook=webhook, input={"text": "a"}
            )
            async with asyncio.timeout(GIVE_UP_S):
                while not await rows(worker, "operation_outputs"):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
        async with durable_worker(tmp_path, **env) as worker:  # DBOS goes on on a loop of its own
            await delivered(worker, task_id)
            kept = {table: await rows(worker, table) for table in TABLES}
    assert loops == [asyncio.get_running_loop()] * 3
    (given,) = [orjson.loads(row["inputs"]) for row in kept["workflow_input"]]
    assert given["args"][:2] == [task_id, 1]
    made = [
        orjson.loads(row["output"])
        for row in kept["operation_outputs"]
        if row["function_name"] == "attempt"
    ]
    assert made
    assert all(set(output) == {"again_in_s"} for output in made)
    for row in chain(*kept.values()):
        # DBOS has a form of its own for its own steps, such as a sleep: JSON as well.
        assert row.get("serialization") in {"slotgrid_json", "portable_json", None}
        for text in (row.get(name) for name in ("inputs", "output", "error")):
            if text is not None:
                orjson.loads(text)  # raises for a pickle
                assert SECRET not in text


async def test_what_dbos_logs_is_a_line_of_our_log(tmp_path: Path, database_url: str) -> None:
    url = f"{database_url}?options=-c%20lock_timeout%3D300ms"
    async with killed(tmp_path, DATABASE_URL=url) as home, home.node() as node:
        with psycopg.connect(database_url) as other:
            other.execute("LOCK TABLE dbos.workflow_status IN ACCESS EXCLUSIVE MODE")
            line = await asyncio.to_thread(
                node.process.until_line, lambda line: "lock timeout" in line
            )
        told = orjson.loads(line)
        assert told["level"] in {"warning", "error"}
        assert told["ts"]
        # Each in that form, and none a second time in one of its own.
        assert all(line.startswith('{"ts"') for line in node.process.lines)
