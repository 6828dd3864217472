"""Finds out whether a commit took effect when its reply was lost: each transaction leaves a mark.

Each writer (one per process) has one row, and each of its transactions writes a new token there.
The transaction holds the row's lock until its end. A reader that gets the lock afterwards sees the
outcome, even if the server continued the transaction after the connection was lost.
"""

import time

import sqlalchemy as sa

from slotgrid.records.tables import meta

PREFIX = "commit:"
KEPT_S = 24 * 3600.0
"""Age of the last write above which a row belongs to a dead process."""


def enter(connection: sa.Connection, writer: str) -> None:
    """Create the writer's row before its first transaction; remove rows of dead writers."""
    dead = meta.c.name.startswith(PREFIX)
    if connection.dialect.name != "sqlite":  # only one process at a time uses a SQLite file
        dead &= meta.c.value < _value("", at=time.time() - KEPT_S)
    connection.execute(meta.delete().where(dead))
    connection.execute(meta.insert().values(name=PREFIX + writer, value=_value("")))


def leave(connection: sa.Connection, writer: str) -> None:
    """Remove the writer's row after its last transaction."""
    connection.execute(meta.delete().where(meta.c.name == PREFIX + writer))


def mark(connection: sa.Connection, writer: str, token: str) -> None:
    """Write the token of the current transaction into the writer's row."""
    row = meta.update().where(meta.c.name == PREFIX + writer)
    if connection.execute(row.values(value=_value(token))).rowcount == 0:
        connection.execute(meta.insert().values(name=PREFIX + writer, value=_value(token)))


def is_last(connection: sa.Connection, writer: str, token: str) -> bool:
    """Whether the writer's last committed transaction is the one with that token."""
    query = sa.select(meta.c.value).where(meta.c.name == PREFIX + writer).with_for_update()
    value: str | None = connection.execute(query).scalar()
    return value is not None and value.endswith(f" {token}")


def _value(token: str, at: float | None = None) -> str:
    return f"{time.time() if at is None else at:012.0f} {token}"
