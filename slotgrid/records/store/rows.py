"""Shared by all statements on task records: types, conditions, reads of one record."""

from collections.abc import Collection, Sequence
from typing import Any

import orjson
import sqlalchemy as sa

from slotgrid.core.task import Task
from slotgrid.core.task_states import TaskState
from slotgrid.records.json_views import task_detail, task_summary
from slotgrid.records.tables import meta, tasks

LIVE = (TaskState.QUEUED, TaskState.RUNNING)

Connection = sa.Connection
Row = sa.Row[Any, Any]


def shown(task: Task) -> dict[str, Any]:
    """The columns with the task's JSON and worker."""
    return {
        "worker": task.worker,
        "summary": orjson.dumps(task_summary(task, None)).decode(),
        "detail": orjson.dumps(task_detail(task, None)).decode(),
    }


def execute(
    connection: Connection, statement: sa.Executable, parameters: Sequence[dict[str, Any]]
) -> int:
    """Execute the statement with each of the parameters; returns the number of rows it reached.

    A single set of parameters is passed alone, because `executemany` is slower for it.
    """
    if not parameters:
        return 0
    one = len(parameters) == 1
    return connection.execute(statement, parameters[0] if one else parameters).rowcount


def live_at(node: str) -> sa.ColumnElement[bool]:
    """Condition: the task belongs to that node and has not ended."""
    return (tasks.c.node == node) & tasks.c.status.in_(LIVE)


def get(connection: Connection, task_id: str) -> Row | None:
    """The record of that id, or None."""
    return connection.execute(sa.select(tasks).where(tasks.c.id == task_id)).first()


def known(connection: Connection, task_ids: Collection[str]) -> set[str]:
    """Which of the ids are recorded."""
    query = sa.select(tasks.c.id).where(tasks.c.id.in_(list(task_ids)))
    return {row.id for row in connection.execute(query)}


def owned(connection: Connection, node: str, task_ids: Collection[str]) -> set[str]:
    """Which of the tasks belong to that node."""
    mine = tasks.c.id.in_(list(task_ids)) & (tasks.c.node == node)
    return {row.id for row in connection.execute(sa.select(tasks.c.id).where(mine))}


def shared_secret(connection: Connection, name: str, fresh: str) -> str:
    """The shared secret of that name; stores `fresh` if there is none yet."""
    row = connection.execute(sa.select(meta.c.value).where(meta.c.name == name)).first()
    if row is not None:
        return str(row.value)
    connection.execute(meta.insert().values(name=name, value=fresh))
    return fresh
