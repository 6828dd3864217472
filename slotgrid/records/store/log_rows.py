"""Recorded log lines of tasks, one row for each line."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from slotgrid.core.event_log import Event
from slotgrid.core.task import Task
from slotgrid.records.store.rows import Connection, execute
from slotgrid.records.tables import log_lines

IDS_AT_ONCE = 500
"""Tasks that one query names."""
UNLESS_KEPT = {
    "sqlite": sqlite.insert(log_lines).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(log_lines).on_conflict_do_nothing(),
}


def lines_of(task: Task, *, after: int) -> Sequence[Event]:
    """The task's log lines with numbers above `after`.

    Empty if the log has only the lines about attempts, so most tasks need no rows.
    """
    return task.logs.after(after) if task.has_lines else ()


def line_row(task_id: str, line: Event) -> dict[str, Any]:
    """A line as a row."""
    return {
        "task_id": task_id,
        "number": line.id,
        "at": line.at,
        "step": line.kind,
        "payload": line.payload.decode(),
    }


def keep_rows(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Record the lines that are not recorded yet."""
    execute(connection, UNLESS_KEPT[connection.dialect.name], rows)


def lines_of_tasks(connection: Connection, task_ids: Sequence[str]) -> dict[str, list[Event]]:
    """The recorded lines of several tasks, in order, by task."""
    found: dict[str, list[Event]] = {}
    for first in range(0, len(task_ids), IDS_AT_ONCE):
        some = log_lines.c.task_id.in_(task_ids[first : first + IDS_AT_ONCE])
        query = sa.select(log_lines).where(some).order_by(log_lines.c.task_id, log_lines.c.number)
        for row in connection.execute(query):
            line = Event(row.number, row.step, row.at, row.payload.encode())
            found.setdefault(row.task_id, []).append(line)
    return found


def kept_lines(connection: Connection, task_id: str, upto: int | None = None) -> list[Event]:
    """The recorded lines of a task, up to the number `upto`, in order."""
    where = log_lines.c.task_id == task_id
    if upto is not None:
        where &= log_lines.c.number <= upto
    query = sa.select(log_lines).where(where).order_by(log_lines.c.number)
    return [
        Event(row.number, row.step, row.at, row.payload.encode())
        for row in connection.execute(query)
    ]
