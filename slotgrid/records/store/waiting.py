"""Tasks that wait on disk: which come next, how many are before one, which have waited too long."""

from collections.abc import Collection

import sqlalchemy as sa

from slotgrid.core.states import TaskState
from slotgrid.records.store.rows import Connection, Row
from slotgrid.records.tables import is_queued, tasks


def next_queued(
    connection: Connection, node: str, class_key: str, *, limit: int, now: float, steady_now: float
) -> list[Row]:
    """The next tasks of a class, smallest key first, that may start now."""
    due = tasks.c.not_before.is_(None) | (tasks.c.not_before <= now)
    query = (
        sa.select(tasks)
        .where(_of_class(node, class_key) & due & sa.not_(_too_late(now, steady_now)))
        .order_by(tasks.c.queue_key, tasks.c.id)
        .limit(limit)
    )
    return list(connection.execute(query))


def position(connection: Connection, node: str, class_key: str, queue_key: float) -> int:
    """How many of a class come before who has that key, and one: 1 is the next."""
    before = _of_class(node, class_key) & (tasks.c.queue_key < queue_key)
    query = sa.select(sa.func.count()).select_from(tasks).where(before)
    return connection.execute(query).scalar_one() + 1


def queued_classes(connection: Connection, node: str) -> dict[str, int]:
    """How many tasks wait, by class."""
    query = (
        sa.select(tasks.c.class_key, sa.func.count())
        .where(is_queued & (tasks.c.node == node))
        .group_by(tasks.c.class_key)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def next_early(connection: Connection, node: str, class_key: str, now: float) -> float | None:
    """When the next task of the class that waits for its time may start, since the epoch."""
    query = sa.select(sa.func.min(tasks.c.not_before)).where(
        _of_class(node, class_key) & (tasks.c.not_before > now)
    )
    return connection.execute(query).scalar()


def overdue(connection: Connection, node: str, now: float, steady_now: float) -> list[str]:
    """The ids of queued tasks that have waited as long as they may.

    One query for each reason, since each has an index, which holds no task without a limit.
    """
    mine = is_queued & (tasks.c.node == node)
    waited = sa.select(tasks.c.id).where(mine & (tasks.c.wait_until < steady_now))
    expired = sa.select(tasks.c.id).where(mine & (tasks.c.expires_at < now))
    return [row.id for query in (waited, expired) for row in connection.execute(query)]


def still_waiting(connection: Connection, node: str, task_ids: Collection[str]) -> set[str]:
    """Which of the tasks still wait at that node."""
    mine = is_queued & (tasks.c.node == node) & tasks.c.id.in_(list(task_ids))
    return {row.id for row in connection.execute(sa.select(tasks.c.id).where(mine))}


def left_running(connection: Connection, node: str) -> list[Row]:
    """What was running when the node's last process ended."""
    query = sa.select(tasks).where((tasks.c.node == node) & (tasks.c.status == TaskState.RUNNING))
    return list(connection.execute(query))


def _of_class(node: str, class_key: str) -> sa.ColumnElement[bool]:
    return is_queued & (tasks.c.node == node) & (tasks.c.class_key == class_key)


def _too_late(now: float, steady_now: float) -> sa.ColumnElement[bool]:
    """Whether a task has waited as long as it may. Without a limit it never has."""
    waited = sa.func.coalesce(tasks.c.wait_until < steady_now, sa.false())
    return waited | sa.func.coalesce(tasks.c.expires_at < now, sa.false())
