"""A node that is started on what an earlier version left when it was killed at work.

Each fixture is the database of a node with two slots: one task has ended, one has ended and its
webhook was tried once, two run (`sure` may run twice), two wait.
"""

import lzma
from pathlib import Path

import pytest
import sqlalchemy as sa

from slotgrid.records.engines import engine_of
from slotgrid.records.tables import SCHEMA_VERSION
from tests.durable.durable_worker import FUNCTIONS, delivered, durable_worker, finished
from tests.slotgrid.records.receivers import receiver

FIXTURES = Path(__file__).parents[1] / "durable" / "fixtures"
HUNDRED_YEARS = 36500
TOLD = "http://127.0.0.1:9/"
"""Where the fixtures' webhook goes; nobody is there."""

RUNNING = '''
from slotgrid.function import Context, function

@function(retries={retries})
async def {name}(context: Context) -> int:
    """The number of this attempt; it slept when the fixtures were made."""
    return context.attempt
'''


def unpack(version: int, folder: Path, told: str) -> Path:
    """The database as a file of that folder, its webhook's URL replaced."""
    file = folder / "slotgrid.sqlite"
    file.parent.mkdir(parents=True)
    file.write_bytes(lzma.decompress((FIXTURES / f"v{version}-under-way.sqlite.xz").read_bytes()))
    engine = sa.create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        moved = connection.execute(
            sa.text("UPDATE slotgrid_tasks SET body = replace(body, :old, :new)"),
            {"old": TOLD, "new": told},
        )
        assert moved.rowcount == 6
    engine.dispose()
    return file


def copy_records(file: Path, url: str) -> None:
    """The same tables and rows on PostgreSQL. What DBOS keeps is made anew from the records."""
    source = sa.create_engine(f"sqlite:///{file}")
    found = sa.MetaData()
    found.reflect(source, only=lambda name, _: name.startswith("slotgrid_"))
    target = engine_of(url, Path(), pool=1)
    with source.connect() as reading, target.begin() as writing:
        found.create_all(writing)
        for table in found.sorted_tables:
            if rows := [dict(row._mapping) for row in reading.execute(sa.select(table))]:
                writing.execute(table.insert(), rows)
    source.dispose()
    target.dispose()


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION + 1))
async def test_work_that_an_earlier_version_left_is_gone_on_with(
    tmp_path: Path, version: int, database: str, request: pytest.FixtureRequest
) -> None:
    functions = {
        "say.py": FUNCTIONS["say.py"],
        "sure.py": RUNNING.format(name="sure", retries=1),
        "once.py": RUNNING.format(name="once", retries=0),
    }
    env: dict[str, object] = {"NODE_NAME": "node-1", "RETENTION_DAYS": HUNDRED_YEARS}
    async with receiver() as told:
        if database == "sqlite":
            unpack(version, tmp_path / "data", told.url)
        else:
            env["DATABASE_URL"] = request.getfixturevalue("database_url")
            copy_records(unpack(version, tmp_path / "left", told.url), str(env["DATABASE_URL"]))
        async with durable_worker(tmp_path, functions, **env) as worker:
            listed = [task["id"] for task in (await worker.get("/tasks"))["tasks"]]
            done, owed, sure, once, later, sooner = [
                await finished(worker, task_id) for task_id in reversed(listed)
            ]
            assert (done["status"], done["result"]) == ("completed", "done")
            assert (await delivered(worker, owed["id"]))["result"] == "owed"
            assert (sure["status"], sure["result"]) == ("completed", 2)
            assert once["status"] == "failed"
            assert "the node ended while the task ran" in once["error"]["detail"]
            assert [task["result"] for task in (later, sooner)] == ["later", "sooner"]
            assert [task["status"] for task in (later, sooner)] == ["completed"] * 2
        assert len(told.received) == 1
