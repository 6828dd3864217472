"""Brings the tables of an earlier version up to the present one; refuses those of a later one."""

from collections.abc import Callable

import sqlalchemy as sa

from slotgrid.records.engines import DatabaseFault
from slotgrid.records.tables import SCHEMA_VERSION, log_lines, meta, metadata, tasks

LOCK = 7461
"""Advisory lock of PostgreSQL: two nodes that start at once must not both change the tables."""


def _to_2(connection: sa.Connection) -> None:
    """Indexes of the rows that they are for, `cancel_reason` and `size`; no `restores`.

    The table is made anew, since SQLite can take no constraint away. The sizes of what has ended
    are not known: it goes by its age.
    """
    for index in sa.inspect(connection).get_indexes(tasks.name):
        if not index["name"] or index.get("duplicates_constraint"):
            continue
        connection.execute(sa.text(f'DROP INDEX "{index["name"]}"'))
    connection.execute(sa.text(f"ALTER TABLE {tasks.name} RENAME TO slotgrid_tasks_1"))
    tasks.create(connection)
    kept = ", ".join(
        column.name for column in tasks.columns if column.name not in {"cancel_reason", "size"}
    )
    connection.execute(
        sa.text(
            f"INSERT INTO {tasks.name} ({kept}, size) SELECT {kept}, 0 FROM slotgrid_tasks_1"  # noqa: S608
        )
    )
    connection.execute(sa.text("DROP TABLE slotgrid_tasks_1"))


def _to_3(connection: sa.Connection) -> None:
    """A table for the lines of tasks' logs."""
    log_lines.create(connection)


STEPS: dict[int, Callable[[sa.Connection], None]] = {1: _to_2, 2: _to_3}
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
