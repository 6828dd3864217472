"""`GET /tasks` over very many finished tasks, on both databases."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from slotgrid.records.engines import engine_of
from tests.harness.in_process.durable_worker import accepted, durable_worker, finished
from tests.harness.many_tasks import id_of, make_many
from tests.harness.sizes import sized

PAGES = 120
FAILED = 60


@sized("many", short=6_000, long_form=120_000)
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
async def test_each_of_many_tasks_is_on_one_page_while_others_come(
    tmp_path: Path, database: str, many: int, request: pytest.FixtureRequest
) -> None:
    size, failed_each = many // PAGES, many // FAILED
    url = None if database == "sqlite" else request.getfixturevalue("database_url")
    env = {} if url is None else {"DATABASE_URL": url}
    async with durable_worker(tmp_path, HISTORY_LIMIT=1, **env) as worker:

        async def page(**asked: object) -> Any:
            return await worker.get("/tasks", **{name: str(value) for name, value in asked.items()})

        async def ids(**asked: object) -> list[str]:
            return [task["id"] for task in (await page(**asked))["tasks"]]

        first = await finished(worker, await accepted(worker, "say", input={"text": "a"}))
        engine = engine_of(url, tmp_path / "data", pool=1)
        await asyncio.to_thread(make_many, engine, many, failed_each)
        engine.dispose()
        seen: list[str] = []
        while True:
            got = await page(until=first["finished_at"], limit=size, offset=len(seen))
            seen += [task["id"] for task in got["tasks"]]
            assert got["total"] == many
            if len(seen) >= many:
                break
            if len(seen) % (20 * size) == 0:
                await finished(worker, await accepted(worker, "say", input={"text": "b"}))
        assert seen == [id_of(number) for number in reversed(range(many))]
        assert (await page())["total"] == many + PAGES // 20 - 1
        failed = [id_of(number) for number in range(many - failed_each, -1, -failed_each)]
        assert await ids(status="failed", limit=FAILED) == failed
        assert await ids(status="failed", limit=3, offset=50) == failed[50:53]
        assert await ids(q=f"REASON {many // 2}") == [id_of(many // 2)]
        assert await ids(delivery="failed", limit=2) == [
            id_of(number + 7) for number in range(many - failed_each, 0, -failed_each)[:2]
        ]
        assert (await page(function="f7", limit=1))["total"] == many // 10
        assert await ids(function="f7", status="failed") == []
