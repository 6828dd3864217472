"""Migrates the tables to the current revision with Alembic; refuses newer tables."""

import threading

import sqlalchemy as sa
import structlog
from alembic import command
from alembic.config import Config

from slotgrid.records.engines import DatabaseFault
from slotgrid.records.tables import SCHEMA_VERSION, meta

log = structlog.get_logger()

LOCK = 7461
"""Advisory lock of PostgreSQL, so that two starting nodes do not both change the tables."""

_ALEMBIC = threading.Lock()
"""Guards the globals in which Alembic keeps the current migration."""


def migrate(engine: sa.Engine) -> None:
    """Create or migrate the tables in one transaction, one process at a time.

    Raises DatabaseFault for tables of a newer version.
    """
    with engine.begin() as connection:
        _lock(connection)
        before = _version(connection)
        if before == SCHEMA_VERSION:
            return
        if before is not None and before > SCHEMA_VERSION:
            where = engine.url.render_as_string(hide_password=True)
            raise DatabaseFault(
                f"the tables of the database {where} have version {before}, this program supports"
                f" {SCHEMA_VERSION}: run a newer one, or give it another database"
            )
        config = Config()
        config.set_main_option("script_location", "slotgrid.records:revisions")
        config.attributes["connection"] = connection
        with _ALEMBIC:
            command.upgrade(config, "head")
    log.info("database.migrated", before=before, version=SCHEMA_VERSION)


def _lock(connection: sa.Connection) -> None:
    """Lock migrations until the commit; waits for another process's migration."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # sqlite3 begins no transaction for DDL
        return
    connection.execute(sa.text("SET LOCAL statement_timeout = 0"))
    connection.execute(sa.text("SET LOCAL lock_timeout = 0"))
    connection.execute(sa.text(f"SELECT pg_advisory_xact_lock({LOCK})"))


def _version(connection: sa.Connection) -> int | None:
    """Version of the existing tables; None without tables."""
    if not sa.inspect(connection).has_table(meta.name):
        return None
    row = connection.execute(sa.select(meta.c.value).where(meta.c.name == "schema")).first()
    return None if row is None else int(row.value)
