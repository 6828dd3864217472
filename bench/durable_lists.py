"""`python -m bench.durable_lists`: pages of `GET /tasks` over 100,000 finished tasks, by HTTP.

On SQLite, and on a PostgreSQL server that is started for it; compared with 1,000 tasks.
"""

import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import uvloop
from aiohttp import ClientSession

from bench.durable import FUNCTIONS
from bench.processes import KEY, worker
from bench.table import Row, print_table
from slotgrid.records.engines import engine_of
from tests.harness.many_tasks import make_many
from tests.harness.processes.postgres import postgres

FEW, MANY = 1_000, 100_000
ROUNDS = 7
PAGES: Mapping[str, Mapping[str, str]] = {
    "first page of 50": {},
    "a page in the middle": {"offset": "half"},
    "the last page": {"offset": "last"},
    "`status=failed` (1 in 1,000)": {"status": "failed"},
    "`delivery=failed` (1 in 1,000)": {"delivery": "failed"},
    "`function=f7` (1 in 10)": {"function": "f7"},
    "`q=reason`, a text in 1 of 1,000": {"q": "reason"},
}


@asynccontextmanager
async def filled(folder: Path, url: str | None, count: int) -> AsyncIterator[ClientSession]:
    """A client of a worker with `count` finished tasks in the database, none in memory."""
    settings = {"HISTORY_LIMIT": "0"} | ({} if url is None else {"DATABASE_URL": url})
    async with (
        worker(folder, FUNCTIONS, slots=1, **settings) as node,
        ClientSession(f"http://127.0.0.1:{node.port}", headers={"Authorization": KEY}) as caller,
    ):
        body = {"function": "echo", "mode": "async", "input": {"value": {}}}
        async with caller.post("/task", json=body) as answer:
            assert answer.status == 202, await answer.text()
            task_id = (await answer.json())["id"]
        async with caller.get(f"/tasks/{task_id}", params={"wait_s": "30"}) as answer:
            assert (await answer.json())["task"]["status"] == "completed"
        engine = engine_of(url, folder / "data", pool=1)
        make_many(engine, count, failed_each=1000)
        engine.dispose()
        yield caller


async def page_ms(caller: ClientSession, params: Mapping[str, str], count: int) -> float:
    """The median time of a page, in milliseconds."""
    offsets = {"half": str(count // 2), "last": str(count - 50)}
    asked = {name: offsets.get(value, value) for name, value in params.items()}
    took: list[float] = []
    for _ in range(ROUNDS):
        began = perf_counter()
        async with caller.get("/tasks", params=asked) as answer:
            assert answer.status == 200, await answer.text()
            assert (await answer.json())["tasks"]
        took.append((perf_counter() - began) * 1000)
    return median(took)


async def run(folder: Path, urls: Mapping[tuple[str, int], str | None]) -> list[Row]:
    """Measure every page, on each database with few and with many tasks."""
    rows: list[Row] = []
    for database in ("SQLite", "PostgreSQL"):
        async with (
            filled(folder / f"{database}-few", urls[database, FEW], FEW) as few,
            filled(folder / f"{database}-many", urls[database, MANY], MANY) as many,
        ):
            for what, params in PAGES.items():
                ours = await page_ms(many, params, MANY)
                beside = await page_ms(few, params, FEW)
                rows.append(Row(f"{database}: {what}, ms", f"{ours:.1f}", f"{beside:.1f}"))
    return rows


def main() -> int:
    """Measure and print."""
    with TemporaryDirectory(prefix="slotgrid-bench-") as folder, postgres() as server:
        urls = {
            (database, count): server.create_database() if database == "PostgreSQL" else None
            for database in ("SQLite", "PostgreSQL")
            for count in (FEW, MANY)
        }
        rows = uvloop.run(run(Path(folder), urls))
    print_table(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
