"""Whether a commit whose answer was lost took place: each transaction leaves a mark.

A writer (one a process) has one row, and each of its transactions writes a fresh token into it. The
row's lock lasts as long as the transaction: who gets the lock afterwards sees how it ended, also
where the server went on with it after the connection was lost.
"""

import time

import sqlalchemy as sa

from slotgrid.records.tables import meta

PREFIX = "commit:"
KEPT_S = 24 * 3600.0
"""A row that was not written for so long belongs to a process that is dead."""


def enter(connection: sa.Connection, writer: str) -> None:
    """Make the writer's row, before its first transaction; remove those of dead writers."""
    dead = meta.c.name.startswith(PREFIX)
    if connection.dialect.name != "sqlite":  # there, one process at a time uses the database
        dead &= meta.c.value < _value("", at=time.time() - KEPT_S)
    connection.execute(meta.delete().where(dead))
    connection.execute(meta.insert().values(name=PREFIX + writer, value=_value("")))


def leave(connection: sa.Connection, writer: str) -> None:
    """Remove the writer's row, after its last transaction."""
    connection.execute(meta.delete().where(meta.c.name == PREFIX + writer))


def mark(connection: sa.Connection, writer: str, token: str) -> None:
    """Mark the transaction that is under way."""
    row = meta.update().where(meta.c.name == PREFIX + writer)
    if connection.execute(row.values(value=_value(token))).rowcount == 0:
        connection.execute(meta.insert().values(name=PREFIX + writer, value=_value(token)))


def is_last(connection: sa.Connection, writer: str, token: str) -> bool:
    """Whether the transaction of that token was committed, and none of the writer's after it."""
    query = sa.select(meta.c.value).where(meta.c.name == PREFIX + writer).with_for_update()
    value: str | None = connection.execute(query).scalar()
    return value is not None and value.endswith(f" {token}")


def _value(token: str, at: float | None = None) -> str:
    return f"{time.time() if at is None else at:012.0f} {token}"
