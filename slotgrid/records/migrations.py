"""Brings the tables of an earlier version up to the present one; refuses those of a later one."""

from collections.abc import Callable

import sqlalchemy as sa

from slotgrid.records.engines import DatabaseFault
from slotgrid.records.tables import SCHEMA_VERSION, meta, metadata

LOCK = 7461
"""Advisory lock of PostgreSQL: two nodes that start at once must not both change the tables."""

STEPS: dict[int, Callable[[sa.Connection], None]] = {}
"""What leads from a version to the next one. A fixture of each version is kept by the tests."""


def migrate(engine: sa.Engine) -> None:
    """Make or change the tables. Raises DatabaseFault for those of a later program."""
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.text("SET LOCAL statement_timeout = 0"))
            connection.execute(sa.text("SET LOCAL lock_timeout = 0"))
            connection.execute(sa.text(f"SELECT pg_advisory_xact_lock({LOCK})"))
        found = _version(connection)
        if found is None:
            metadata.create_all(connection)
            connection.execute(meta.insert().values(name="schema", value=str(SCHEMA_VERSION)))
            return
        if found > SCHEMA_VERSION:
            where = engine.url.render_as_string(hide_password=True)
            raise DatabaseFault(
                f"the tables of the database {where} are of version {found}, this program knows"
                f" {SCHEMA_VERSION}: run a newer one, or give it another database"
            )
        for version in range(found, SCHEMA_VERSION):
            STEPS[version](connection)
        connection.execute(
            meta.update().where(meta.c.name == "schema").values(value=str(SCHEMA_VERSION))
        )


def _version(connection: sa.Connection) -> int | None:
    """Of the tables that are there; None when there are none."""
    if not sa.inspect(connection).has_table(meta.name):
        return None
    row = connection.execute(sa.select(meta.c.value).where(meta.c.name == "schema")).first()
    return None if row is None else int(row.value)
