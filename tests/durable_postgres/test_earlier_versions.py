"""A node that is started on what an earlier version left when it was killed at work."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from slotgrid.records.engines import engine_of
from slotgrid.records.migrations import migrate
from slotgrid.records.tables import SCHEMA_VERSION, metadata
from tests.durable.earlier import unpack
from tests.durable.test_versions import migrate_at_once
from tests.harness.in_process.durable_worker import FUNCTIONS, delivered, durable_worker, finished
from tests.harness.peers.receivers import receiver

HUNDRED_YEARS = 36500

RUNNING = '''
from slotgrid.function import Context, function

@function(retries={retries})
async def {name}(context: Context) -> int:
    """The number of this attempt; it slept when the fixtures were made."""
    return context.attempt
'''


DBOS_UNTIL = 3
"""The last version of the tables beside which DBOS had a schema."""


def copy_records(file: Path, url: str, version: int) -> None:
    """The same tables and rows on PostgreSQL, and a schema as DBOS had it."""
    source = sa.create_engine(f"sqlite:///{file}")
    found = sa.MetaData()
    found.reflect(source, only=lambda name, _: name.startswith("slotgrid_"))
    target = engine_of(url, Path(), pool=1)
    with source.connect() as reading, target.begin() as writing:
        found.create_all(writing)
        if version <= DBOS_UNTIL:
            writing.execute(sa.text("CREATE SCHEMA dbos"))
            writing.execute(sa.text("CREATE TABLE dbos.workflow_status (name TEXT)"))
            writing.execute(sa.text("INSERT INTO dbos.workflow_status VALUES ('deliver_later')"))
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
            left = unpack(version, tmp_path / "left", told.url)
            copy_records(left, str(env["DATABASE_URL"]), version)
        async with durable_worker(tmp_path, functions, **env) as worker:
            listed = [task["id"] for task in (await worker.get("/tasks"))["tasks"]]
            done, owed, sure, once, later, sooner = [
                await finished(worker, task_id) for task_id in reversed(listed)
            ]
            assert (done["status"], done["result"]) == ("completed", "done")
            owed = await delivered(worker, owed["id"])
            assert owed["result"] == "owed"
            assert [made["number"] for made in owed["deliveries"]] == [1, 2]
            assert (sure["status"], sure["result"]) == ("completed", 2)
            assert once["status"] == "failed"
            assert "the node crashed while the task ran" in once["error"]["detail"]
            assert [task["result"] for task in (later, sooner)] == ["later", "sooner"]
            assert [task["status"] for task in (later, sooner)] == ["completed"] * 2
        assert len(told.received) == 1


def left_by(version: int, folder: Path, url: str) -> sa.Engine:
    """What that version left, on PostgreSQL."""
    copy_records(unpack(version, folder, "http://127.0.0.1:9/other"), url, version)
    return engine_of(url, Path(), pool=1)


@pytest.mark.parametrize("version", [None, *range(1, SCHEMA_VERSION)])
def test_every_way_leads_to_the_tables_of_the_program(
    tmp_path: Path, database_url: str, version: int | None
) -> None:
    if version is None:
        engine = engine_of(database_url, Path(), pool=1)
    else:
        engine = left_by(version, tmp_path / "left", database_url)
    migrate(engine)
    with engine.connect() as connection:
        names = set(sa.inspect(connection).get_table_names())
        assert names == {*metadata.tables, "slotgrid_alembic_version"}
        options = {"version_table": "slotgrid_alembic_version"}
        compared = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(compared, metadata) == []
        assert "dbos" not in sa.inspect(connection).get_schema_names()
    engine.dispose()


def test_workflows_of_another_application_are_left_alone(tmp_path: Path, database_url: str) -> None:
    engine = left_by(3, tmp_path / "left", database_url)
    with engine.begin() as connection:
        connection.execute(sa.text("INSERT INTO dbos.workflow_status VALUES ('of another one')"))
    migrate(engine)
    with engine.connect() as connection:
        found = connection.execute(sa.text("SELECT count(*) FROM dbos.workflow_status")).scalar()
        assert found == 2
    engine.dispose()


@pytest.mark.parametrize("version", [None, 3])
def test_of_nodes_that_start_at_once_one_migrates(
    tmp_path: Path, database_url: str, version: int | None
) -> None:
    if version is not None:
        left_by(version, tmp_path / "left", database_url).dispose()
    said = migrate_at_once(tmp_path, database_url)
    assert sum("database.migrated" in each for each in said) == 1
