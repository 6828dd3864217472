"""What all statements about task records share: their types, and reading one record."""

from collections.abc import Collection, Sequence
from typing import Any

import orjson
import sqlalchemy as sa

from slotgrid.core.states import TaskState
from slotgrid.core.task import Task
from slotgrid.records.tables import meta, tasks
from slotgrid.records.views import task_detail, task_summary

LIVE = (TaskState.QUEUED, TaskState.RUNNING)

Connection = sa.Connection
Row = sa.Row[Any, Any]


def shown(task: Task) -> dict[str, Any]:
    """The columns that say how a task looks."""
    return {
        "worker": task.worker,
        "summary": orjson.dumps(task_summary(task, None)).decode(),
        "detail": orjson.dumps(task_detail(task, None)).decode(),
    }


def execute(
    connection: Connection, statement: sa.Executable, parameters: Sequence[dict[str, Any]]
) -> int:
    """Execute it with each of the parameters; how many rows it reached in all.

    For one alone, the way of drivers to execute many is a detour.
    """
    if not parameters:
        return 0
    one = len(parameters) == 1
    return connection.execute(statement, parameters[0] if one else parameters).rowcount


def live_at(node: str) -> sa.ColumnElement[bool]:
    """Whether a task is that node's and has no end yet."""
    return (tasks.c.node == node) & tasks.c.status.in_(LIVE)


def get(connection: Connection, task_id: str) -> Row | None:
    """The record of that id."""
    return connection.execute(sa.select(tasks).where(tasks.c.id == task_id)).first()


def known(connection: Connection, task_ids: Collection[str]) -> set[str]:
    """Which of the ids are recorded."""
    query = sa.select(tasks.c.id).where(tasks.c.id.in_(list(task_ids)))
    return {row.id for row in connection.execute(query)}


def owned(connection: Connection, node: str, task_ids: Collection[str]) -> set[str]:
    """Which of the tasks are that node's."""
    mine = tasks.c.id.in_(list(task_ids)) & (tasks.c.node == node)
    return {row.id for row in connection.execute(sa.select(tasks.c.id).where(mine))}


def shared_secret(connection: Connection, name: str, fresh: str) -> str:
    """The secret of that name, made at the first start and shared by all nodes since."""
    row = connection.execute(sa.select(meta.c.value).where(meta.c.name == name)).first()
    if row is not None:
        return str(row.value)
    connection.execute(meta.insert().values(name=name, value=fresh))
    return fresh
