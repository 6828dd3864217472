"""`python -m bench.bare_durable`: durable work without a worker, as fast as it goes.

`POST /run` with `{what, tasks_at_once, seconds, webhook}`, on the database that `DATABASE_URL`
names, or on SQLite in `DATA_DIR`; with the engines and switches of the worker. What is done for
each task: of `insert`, one row is committed; of `dbos`, one workflow takes two steps, of which the
second asks `webhook`, where one is given.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import sqlalchemy as sa
from aiohttp import ClientSession, web
from dbos import DBOS

from bench.no_browser import VALUE
from bench.serving import serve
from slotgrid.records.dbos_engine import THREADS, JsonSerializer
from slotgrid.records.engines import engine_of

POOL = 5
BODY = orjson.dumps({"function": "echo", "input": {"value": VALUE}}).decode()
ROWS = sa.Table(
    "bare_rows",
    sa.MetaData(),
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("body", sa.Text, nullable=False),
)


def insert(engine: sa.Engine, until: float) -> int:
    """One row and one commit after the other; how many."""
    done = 0
    with engine.connect() as connection:
        while time.perf_counter() < until:
            connection.execute(ROWS.insert().values(id=str(uuid4()), body=BODY))
            connection.commit()
            done += 1
    return done


class Bare:
    """DBOS with one workflow of two steps, and a table with one row a task."""

    def __init__(self, url: str | None, data_dir: Path) -> None:
        self._engine = engine_of(url, data_dir, pool=POOL)
        ROWS.create(self._engine)
        DBOS(
            config={
                "name": "bare",
                "system_database_engine": engine_of(url, data_dir, pool=1 if url is None else POOL),
                "executor_id": "bare",
                "application_version": "1",
                "serializer": JsonSerializer(),
                "max_executor_threads": THREADS,
                "log_level": "WARNING",
            }
        )
        self._task: Any = self._registered()

    def _registered(self) -> Any:
        """The workflow; DBOS takes functions, and no methods."""

        @DBOS.step()
        async def answer(value: dict[str, Any]) -> dict[str, Any]:
            return value

        @DBOS.step()
        async def deliver(value: dict[str, Any], webhook: str | None) -> int:
            if webhook is None:
                return 0
            async with self._caller.post(webhook, json=value) as answered:
                return answered.status

        @DBOS.workflow()
        async def task(value: dict[str, Any], webhook: str | None) -> None:
            await deliver(await answer(value), webhook)

        return task

    async def running(self, _: web.Application) -> AsyncIterator[None]:
        await asyncio.get_running_loop().run_in_executor(None, DBOS.launch)
        async with ClientSession() as self._caller:
            yield
        with ThreadPoolExecutor(1) as own:
            await asyncio.get_running_loop().run_in_executor(own, DBOS.destroy)

    async def run(self, request: web.Request) -> web.Response:
        """Begin a task wherever another has ended, for so many seconds."""
        asked = await request.json()
        began = time.perf_counter()
        count, until = asked["tasks_at_once"], began + asked["seconds"]
        if asked["what"] == "insert":
            loops = [asyncio.to_thread(insert, self._engine, until) for _ in range(count)]
        else:
            loops = [self._workflows(asked["webhook"], until) for _ in range(count)]
        tasks = sum(await asyncio.gather(*loops))
        return web.json_response({"tasks": tasks, "elapsed_s": time.perf_counter() - began})

    async def _workflows(self, webhook: str | None, until: float) -> int:
        done = 0
        while time.perf_counter() < until:
            handle = await DBOS.start_workflow_async(self._task, VALUE, webhook)
            await handle.get_result()
            done += 1
        return done


if __name__ == "__main__":
    bare = Bare(os.environ.get("DATABASE_URL"), Path(os.environ["DATA_DIR"]))
    app = web.Application()
    app.cleanup_ctx.append(bare.running)
    app.add_routes([web.post("/run", bare.run)])
    serve(app)
