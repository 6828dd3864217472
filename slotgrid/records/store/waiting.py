"""Queries on tasks that wait on disk: the next ones, positions, and overdue ones."""

from collections.abc import Collection

import sqlalchemy as sa

from slotgrid.core.task_states import TaskState
from slotgrid.records.store.rows import Connection, Row
from slotgrid.records.tables import is_queued, tasks


def next_queued(
    connection: Connection,
    node: str,
    class_key: str,
    *,
    limit: int,
    now: float,
    steady_now: float,
    without: Collection[str] = (),
) -> list[Row]:
    """The next tasks of a class, smallest key first, that may start now.

    `without` names functions to leave out.
    """
    due = tasks.c.not_before.is_(None) | (tasks.c.not_before <= now)
    query = (
        sa.select(tasks)
        .where(_of_class(node, class_key) & due & sa.not_(_too_late(now, steady_now)))
        .order_by(tasks.c.queue_key, tasks.c.id)
        .limit(limit)
    )
    if without:
        query = query.where(tasks.c.function.not_in(list(without)))
    return list(connection.execute(query))


def position(connection: Connection, node: str, class_key: str, queue_key: float) -> int:
    """Position of a task with that key in its class; 1 is the next."""
    before = _of_class(node, class_key) & (tasks.c.queue_key < queue_key)
    query = sa.select(sa.func.count()).select_from(tasks).where(before)
    return connection.execute(query).scalar_one() + 1


def queued_classes(connection: Connection, node: str) -> dict[str, int]:
    """Number of waiting tasks, by class."""
    query = (
        sa.select(tasks.c.class_key, sa.func.count())
        .where(is_queued & (tasks.c.node == node))
        .group_by(tasks.c.class_key)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def next_early(connection: Connection, node: str, class_key: str, now: float) -> float | None:
    """The earliest future `not_before` of the class, in seconds since the epoch, or None."""
    query = sa.select(sa.func.min(tasks.c.not_before)).where(
        _of_class(node, class_key) & (tasks.c.not_before > now)
    )
    return connection.execute(query).scalar()


def overdue(connection: Connection, node: str, now: float, steady_now: float) -> list[str]:
    """Ids of queued tasks whose `wait_until` or `expires_at` has passed.

    One query for each limit, since each has a partial index of the tasks with that limit.
    """
    mine = is_queued & (tasks.c.node == node)
    waited = sa.select(tasks.c.id).where(mine & (tasks.c.wait_until < steady_now))
    expired = sa.select(tasks.c.id).where(mine & (tasks.c.expires_at < now))
    return [row.id for query in (waited, expired) for row in connection.execute(query)]


def still_waiting(connection: Connection, node: str, task_ids: Collection[str]) -> set[str]:
    """Which of the tasks are still queued at that node."""
    mine = is_queued & (tasks.c.node == node) & tasks.c.id.in_(list(task_ids))
    return {row.id for row in connection.execute(sa.select(tasks.c.id).where(mine))}


def left_running(connection: Connection, node: str) -> list[Row]:
    """The tasks that were running when the node's last process ended."""
    query = sa.select(tasks).where((tasks.c.node == node) & (tasks.c.status == TaskState.RUNNING))
    return list(connection.execute(query))


def _of_class(node: str, class_key: str) -> sa.ColumnElement[bool]:
    return is_queued & (tasks.c.node == node) & (tasks.c.class_key == class_key)


def _too_late(now: float, steady_now: float) -> sa.ColumnElement[bool]:
    """Condition: `wait_until` or `expires_at` has passed; false without a limit."""
    waited = sa.func.coalesce(tasks.c.wait_until < steady_now, sa.false())
    return waited | sa.func.coalesce(tasks.c.expires_at < now, sa.false())
