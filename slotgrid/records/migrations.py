"""Brings the tables up to the present revision by Alembic; refuses those of a later program."""

import threading

import sqlalchemy as sa
import structlog
from alembic import command
from alembic.config import Config

from slotgrid.records.engines import DatabaseFault
from slotgrid.records.tables import SCHEMA_VERSION, meta

log = structlog.get_logger()

LOCK = 7461
"""Advisory lock of PostgreSQL: two nodes that start at once must not both change the tables."""

_ALEMBIC = threading.Lock()
"""Alembic keeps the revision that is under way in globals of its own."""


def migrate(engine: sa.Engine) -> None:
    """Make or change the tables in one transaction, which one process at a time has.

    Raises DatabaseFault for those of a later program.
    """
    with engine.begin() as connection:
        _lock(connection)
        before = _version(connection)
        if before == SCHEMA_VERSION:
            return
        if before is not None and before > SCHEMA_VERSION:
            where = engine.url.render_as_string(hide_password=True)
            raise DatabaseFault(
                f"the tables of the database {where} are of version {before}, this program knows"
                f" {SCHEMA_VERSION}: run a newer one, or give it another database"
            )
        config = Config()
        config.set_main_option("script_location", "slotgrid.records:revisions")
        config.attributes["connection"] = connection
        with _ALEMBIC:
            command.upgrade(config, "head")
    log.info("database.migrated", before=before, version=SCHEMA_VERSION)


def _lock(connection: sa.Connection) -> None:
    """Wait for another process that changes the tables, and keep others out until the commit."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # sqlite3 itself begins none for DDL
        return
    connection.execute(sa.text("SET LOCAL statement_timeout = 0"))
    connection.execute(sa.text("SET LOCAL lock_timeout = 0"))
    connection.execute(sa.text(f"SELECT pg_advisory_xact_lock({LOCK})"))


def _version(connection: sa.Connection) -> int | None:
    """Of the tables that are there; None when there are none."""
    if not sa.inspect(connection).has_table(meta.name):
        return None
    row = connection.execute(sa.select(meta.c.value).where(meta.c.name == "schema")).first()
    return None if row is None else int(row.value)
