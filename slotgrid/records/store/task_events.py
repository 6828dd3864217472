"""Recorded events of tasks, one row for each event."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from slotgrid.core.event_log import Event
from slotgrid.core.task import Task
from slotgrid.records.store.rows import Connection, execute
from slotgrid.records.tables import events

KEPT_KINDS = frozenset({"state", "step", "done", "error"})
"""The kinds of events that are recorded for a durable task; others are in memory only."""

EVENTS_A_START = 1_000_000
"""Event numbers per start: more than a task emits in one process."""

UNLESS_KEPT = {
    "sqlite": sqlite.insert(events).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(events).on_conflict_do_nothing(),
}


def kept_of(task: Task, *, after: int) -> Sequence[Event]:
    """The task's events to record, with numbers above `after`."""
    return [event for event in task.events.after(after) if event.kind in KEPT_KINDS]


def event_row(task_id: str, event: Event) -> dict[str, Any]:
    """An event as a row."""
    return {
        "task_id": task_id,
        "id": event.id,
        "kind": event.kind,
        "at": event.at,
        "payload": event.payload.decode(),
    }


def keep_rows(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Record the events that are not recorded yet."""
    execute(connection, UNLESS_KEPT[connection.dialect.name], rows)


def keep_events(connection: Connection, task_id: str, new_events: Sequence[Event]) -> None:
    """Record the events of one task that are not recorded yet."""
    keep_rows(connection, [event_row(task_id, event) for event in new_events])


def last_kept(connection: Connection, task_id: str) -> int:
    """Number of the task's last recorded event; 0 without any."""
    query = sa.select(sa.func.max(events.c.id)).where(events.c.task_id == task_id)
    return connection.execute(query).scalar() or 0


def kept_events(
    connection: Connection, task_id: str, after: int, upto: int | None = None
) -> list[Event]:
    """The recorded events of a task above `after`, up to `upto`, in order."""
    where = (events.c.task_id == task_id) & (events.c.id > after)
    if upto is not None:
        where &= events.c.id <= upto
    query = sa.select(events).where(where).order_by(events.c.id)
    return [
        Event(row.id, row.kind, row.at, row.payload.encode()) for row in connection.execute(query)
    ]


def events_before(starts: int) -> int:
    """The number above which a process continues a task's events.

    Each recorded start reserves EVENTS_A_START numbers. So no number is used twice, although most
    events are not recorded. A task that never started has no events.
    """
    return starts * EVENTS_A_START
