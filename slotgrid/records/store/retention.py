"""Removes finished tasks: by age, and the oldest ones beyond the limit of bytes."""

from collections.abc import Collection

import sqlalchemy as sa

from slotgrid.records.store.rows import Connection
from slotgrid.records.tables import events, has_ended, log_lines, tasks

_DELIVERED = tasks.c.delivery.is_distinct_from("pending")


def remove_finished(connection: Connection, before: float, limit: int) -> Collection[str]:
    """Remove tasks that ended before `before`, with events and log lines; returns their ids.

    Tasks with a pending webhook stay.
    """
    ended = has_ended & (tasks.c.finished_at < before) & _DELIVERED
    return _remove(connection, sa.select(tasks.c.id).where(ended).limit(limit))


def kept_bytes(connection: Connection) -> int:
    """Bytes of the finished tasks, with their events and files."""
    query = sa.select(sa.func.sum(tasks.c.size)).where(has_ended)
    return int(connection.execute(query).scalar() or 0)


def remove_oldest(connection: Connection, excess: int, limit: int) -> Collection[str]:
    """Remove finished tasks, the earliest end first, until `excess` bytes are freed."""
    query = (
        sa.select(tasks.c.id, tasks.c.size)
        .where(has_ended & _DELIVERED)
        .order_by(tasks.c.finished_at)
        .limit(limit)
    )
    ids: list[str] = []
    for row in connection.execute(query):
        if excess <= 0:
            break
        ids.append(row.id)
        excess -= row.size
    return _remove(connection, ids)


def _remove(connection: Connection, found: sa.Select[tuple[str]] | list[str]) -> Collection[str]:
    ids = found if isinstance(found, list) else [row.id for row in connection.execute(found)]
    if ids:
        connection.execute(events.delete().where(events.c.task_id.in_(ids)))
        connection.execute(log_lines.delete().where(log_lines.c.task_id.in_(ids)))
        connection.execute(tasks.delete().where(tasks.c.id.in_(ids)))
    return ids
