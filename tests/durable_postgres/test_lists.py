"""`GET /tasks` over very many finished tasks, on both databases."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from slotgrid.records.engines import engine_of
from tests.durable.durable_worker import accepted, durable_worker, finished
from tests.durable_postgres.many_tasks import id_of, make_many

MANY = 60_000
PAGE = 1000


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
async def test_each_of_many_tasks_is_on_one_page_while_others_come(
    tmp_path: Path, database: str, request: pytest.FixtureRequest
) -> None:
    url = None if database == "sqlite" else request.getfixturevalue("database_url")
    env = {} if url is None else {"DATABASE_URL": url}
    async with durable_worker(tmp_path, HISTORY_LIMIT=1, **env) as worker:

        async def page(**asked: object) -> Any:
            return await worker.get("/tasks", **{name: str(value) for name, value in asked.items()})

        async def ids(**asked: object) -> list[str]:
            return [task["id"] for task in (await page(**asked))["tasks"]]

        first = await finished(worker, await accepted(worker, "say", input={"text": "a"}))
        engine = engine_of(url, tmp_path / "data", pool=1)
        await asyncio.to_thread(make_many, engine, MANY)
        engine.dispose()
        seen: list[str] = []
        while True:
            got = await page(until=first["finished_at"], limit=PAGE, offset=len(seen))
            seen += [task["id"] for task in got["tasks"]]
            assert got["total"] == MANY
            if len(seen) >= MANY:
                break
            if len(seen) % (10 * PAGE) == 0:
                await finished(worker, await accepted(worker, "say", input={"text": "b"}))
        assert seen == [id_of(number) for number in reversed(range(MANY))]
        assert (await page())["total"] == MANY + MANY // (10 * PAGE) - 1
        failed = [id_of(number) for number in range(MANY - 1000, -1, -1000)]
        assert await ids(status="failed", limit=PAGE) == failed
        assert await ids(status="failed", limit=3, offset=50) == failed[50:53]
        assert await ids(q="REASON 42000") == [id_of(42_000)]
        assert await ids(delivery="failed", limit=2) == [id_of(MANY - 993), id_of(MANY - 1993)]
        assert (await page(function="f7", limit=1))["total"] == MANY // 10
        assert await ids(function="f7", status="failed") == []
