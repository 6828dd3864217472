"""Databases that other versions of the program have left."""

import shutil
import sqlite3
import subprocess
import sys
import zipfile
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from slotgrid.records.database import POOL, Database
from slotgrid.records.engines import DatabaseFault, end, engine_of
from slotgrid.records.migrations import migrate
from slotgrid.records.tables import SCHEMA_VERSION, meta, metadata, tasks
from tests.durable.earlier import FIXTURES, unpack

ROOT = Path(__file__).resolve().parents[2]


def structure(file: Path) -> set[object]:
    """The columns and indexes of a SQLite file, but Alembic's own.

    Not the text that made a table: a column that was added later stands elsewhere in it.
    """
    columns = (
        'SELECT m.name, c.cid, c.name, c.type, c."notnull", c.dflt_value, c.pk'
        " FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table'"
    )
    indexes = "SELECT tbl_name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    with closing(sqlite3.connect(file)) as database:
        found = [*database.execute(columns), *database.execute(indexes)]
    return {row for row in found if row[0] != "slotgrid_alembic_version"}


def migrated(folder: Path) -> Path:
    """The SQLite file of that folder, brought up to the present version."""
    engine = engine_of(None, folder, pool=1)
    migrate(engine)
    end(engine)
    return folder / "slotgrid.sqlite"


@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION + 1))
async def test_a_database_of_an_earlier_version_is_opened(tmp_path: Path, version: int) -> None:
    shutil.copy(FIXTURES / f"v{version}.sqlite", tmp_path / "slotgrid.sqlite")
    database = Database(engine_of(None, tmp_path, pool=POOL))
    async with database.running():
        row = await database.read(lambda c: c.execute(sa.select(tasks)).one())
        assert (row.function, row.status) == ("note", "completed")
        found = await database.read(
            lambda c: c.execute(sa.select(meta.c.value).where(meta.c.name == "schema")).scalar()
        )
        assert found == str(SCHEMA_VERSION)


@pytest.mark.parametrize("version", [None, *range(1, SCHEMA_VERSION + 1)])
def test_every_way_leads_to_the_tables_of_the_program_and_nothing_else(
    tmp_path: Path, version: int | None
) -> None:
    """With what DBOS left in the earlier ones."""
    (tmp_path / "wanted").mkdir()
    engine = engine_of(None, tmp_path / "wanted", pool=1)
    metadata.create_all(engine)
    end(engine)
    if version is None:
        (tmp_path / "found").mkdir()
    else:
        unpack(version, tmp_path / "found", "http://127.0.0.1:9/other")
    wanted = structure(tmp_path / "wanted" / "slotgrid.sqlite")
    assert structure(migrated(tmp_path / "found")) == wanted


async def test_a_newer_one_is_refused_with_the_reason(tmp_path: Path) -> None:
    database = Database(engine_of(None, tmp_path, pool=POOL))
    async with database.running():
        await database.write(lambda c: c.execute(meta.update().values(value="99")) and None)
    with pytest.raises(DatabaseFault, match="have version 99, this program supports"):
        async with Database(engine_of(None, tmp_path, pool=POOL)).running():
            pass


def test_a_migration_that_breaks_off_leaves_the_database_as_it_was(tmp_path: Path) -> None:
    file = unpack(1, tmp_path / "left", "http://127.0.0.1:9/other")
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("CREATE TABLE slotgrid_due (in_the_way INTEGER)")
    before = structure(file)
    with pytest.raises(sa.exc.OperationalError, match="slotgrid_due already exists"):
        migrated(file.parent)
    assert structure(file) == before


def test_attempts_that_cannot_be_read_begin_anew(tmp_path: Path) -> None:
    file = unpack(3, tmp_path / "left", "http://127.0.0.1:9/other")
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("UPDATE slotgrid_tasks SET deliveries = '{' WHERE delivery = 'pending'")
    with closing(sqlite3.connect(migrated(file.parent))) as database:
        query = "SELECT kind, attempt, due_at = finished_at FROM slotgrid_due, slotgrid_tasks"
        query += " WHERE ref = id"
        assert database.execute(query).fetchall() == [("webhook", 1, 1)]


MIGRATE = """
import sys
from pathlib import Path
from slotgrid.records.engines import engine_of
from slotgrid.records.migrations import migrate

print("ready", flush=True)
sys.stdin.readline()
url, folder = sys.argv[1:]
migrate(engine_of(url or None, Path(folder), pool=1))
"""


def migrate_at_once(folder: Path, url: str = "", *, processes: int = 4) -> list[str]:
    """Migrate one database by several processes at once; returns what each logged."""
    command = [sys.executable, "-c", MIGRATE, url, str(folder)]
    pipe = subprocess.PIPE
    nodes = [
        subprocess.Popen(command, cwd=ROOT, text=True, stdin=pipe, stdout=pipe)
        for _ in range(processes)
    ]
    for node in nodes:
        assert node.stdout is not None
        assert node.stdout.readline() == "ready\n"
    for node in nodes:
        assert node.stdin is not None
        node.stdin.write("go\n")
        node.stdin.flush()
    said = [node.communicate(timeout=60)[0] for node in nodes]
    assert [node.returncode for node in nodes] == [0] * processes
    return said


@pytest.mark.parametrize("version", [None, 3])
def test_of_processes_that_start_at_once_one_migrates(tmp_path: Path, version: int | None) -> None:
    folder = tmp_path / "data"
    if version is None:
        folder.mkdir()
    else:
        unpack(version, folder, "http://127.0.0.1:9/other")
    said = migrate_at_once(folder)
    assert sum("database.migrated" in each for each in said) == 1


def test_the_wheel_has_every_revision(tmp_path: Path) -> None:
    """Alembic finds revisions as files: no import would miss one."""
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, copy)
    for package in ("slotgrid", "worker", "balancer"):
        shutil.copytree(ROOT / package, copy / package)
    build = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
    command = [sys.executable, "-c", build, str(tmp_path)]
    subprocess.run(command, cwd=copy, check=True, timeout=110, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    revisions = ROOT / "slotgrid" / "records" / "revisions"
    wanted = {str(file.relative_to(ROOT)) for file in revisions.rglob("*.py")}
    assert "slotgrid/records/revisions/env.py" in wanted
    with zipfile.ZipFile(wheel) as archive:
        assert wanted <= set(archive.namelist())
