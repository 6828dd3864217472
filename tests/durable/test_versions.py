"""Databases that other versions of the program have left."""

import shutil
from pathlib import Path

import pytest
import sqlalchemy as sa

from slotgrid.records.database import POOL, Database
from slotgrid.records.engines import DatabaseFault, engine_of
from slotgrid.records.tables import SCHEMA_VERSION, meta, tasks

FIXTURES = Path(__file__).parent / "fixtures"


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


async def test_a_newer_one_is_refused_with_the_reason(tmp_path: Path) -> None:
    database = Database(engine_of(None, tmp_path, pool=POOL))
    async with database.running():
        await database.write(lambda c: c.execute(meta.update().values(value="99")) and None)
    with pytest.raises(DatabaseFault, match="of version 99, this program knows"):
        async with Database(engine_of(None, tmp_path, pool=POOL)).running():
            pass
