"""`python -m bench.bare_durable`: commits rows without a worker, as fast as possible.

`POST /run` with `{tasks_at_once, seconds}`, on the database that `DATABASE_URL` names, or on
SQLite in `DATA_DIR`; with the engine and switches of the worker. Each task is one committed row.
"""

import asyncio
import os
import time
from pathlib import Path
from uuid import uuid4

import orjson
import sqlalchemy as sa
from aiohttp import web

from bench.no_browser import VALUE
from bench.serving import serve
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
    """Insert and commit rows one by one; returns their number."""
    done = 0
    with engine.connect() as connection:
        while time.perf_counter() < until:
            connection.execute(ROWS.insert().values(id=str(uuid4()), body=BODY))
            connection.commit()
            done += 1
    return done


class Bare:
    """A table with one row a task."""

    def __init__(self, url: str | None, data_dir: Path) -> None:
        self._engine = engine_of(url, data_dir, pool=POOL)
        ROWS.create(self._engine)

    async def run(self, request: web.Request) -> web.Response:
        """Keep `tasks_at_once` tasks running for `seconds`."""
        asked = await request.json()
        began = time.perf_counter()
        until = began + asked["seconds"]
        loops = [
            asyncio.to_thread(insert, self._engine, until) for _ in range(asked["tasks_at_once"])
        ]
        tasks = sum(await asyncio.gather(*loops))
        return web.json_response({"tasks": tasks, "elapsed_s": time.perf_counter() - began})


if __name__ == "__main__":
    bare = Bare(os.environ.get("DATABASE_URL"), Path(os.environ["DATA_DIR"]))
    app = web.Application()
    app.add_routes([web.post("/run", bare.run)])
    serve(app)
