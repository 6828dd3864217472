"""Removes finished tasks: by age, and the oldest ones beyond the limit of bytes.

The tasks of a flow's steps stay as long as the flow, and go with it.
"""

from collections.abc import Collection

import sqlalchemy as sa

from slotgrid.records.store.rows import Connection
from slotgrid.records.tables import events, flow_steps, flows, has_ended, log_lines, tasks

_REMOVABLE = has_ended & tasks.c.delivery.is_distinct_from("pending") & tasks.c.parent.is_(None)


def remove_finished(connection: Connection, before: float, limit: int) -> Collection[str]:
    """Remove tasks that ended before `before`, with events and log lines; returns their ids.

    Tasks with a pending webhook stay.
    """
    ended = _REMOVABLE & (tasks.c.finished_at < before)
    return _remove(connection, sa.select(tasks.c.id).where(ended).limit(limit))


def kept_bytes(connection: Connection) -> int:
    """Bytes of the finished tasks, with their events and files."""
    query = sa.select(sa.func.sum(tasks.c.size)).where(has_ended)
    return int(connection.execute(query).scalar() or 0)


def remove_oldest(connection: Connection, excess: int, limit: int) -> Collection[str]:
    """Remove finished tasks, the earliest end first, until `excess` bytes are freed."""
    child = tasks.alias("child")
    of_children = (
        sa.select(sa.func.coalesce(sa.func.sum(child.c.size), 0))
        .where(child.c.parent == tasks.c.id)
        .scalar_subquery()
    )
    query = (
        sa.select(tasks.c.id, (tasks.c.size + of_children).label("size"))
        .where(_REMOVABLE)
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
    within = ids
    while within:  # flows within flows
        children = sa.select(tasks.c.id).where(tasks.c.parent.in_(within))
        within = [row.id for row in connection.execute(children)]
        ids = [*ids, *within]
    if ids:
        for table in (flows, flow_steps):
            connection.execute(table.delete().where(table.c.task_id.in_(ids)))
        connection.execute(events.delete().where(events.c.task_id.in_(ids)))
        connection.execute(log_lines.delete().where(log_lines.c.task_id.in_(ids)))
        connection.execute(tasks.delete().where(tasks.c.id.in_(ids)))
    return ids
