"""What tasks said, as far as it is kept: an event is a row."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from slotgrid.core.events import Event
from slotgrid.core.task import Task
from slotgrid.records.store.rows import Connection, execute
from slotgrid.records.tables import events

KEPT_KINDS = frozenset({"state", "step", "done", "error"})
"""The events of a durable task that are kept; its chatter lives in memory only."""

EVENTS_A_START = 1_000_000
"""More than a task says in one process."""

UNLESS_KEPT = {
    "sqlite": sqlite.insert(events).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(events).on_conflict_do_nothing(),
}


def kept_of(task: Task, *, after: int) -> Sequence[Event]:
    """What the task said above `after` that is kept."""
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
    """Keep those of the events that are not kept yet."""
    execute(connection, UNLESS_KEPT[connection.dialect.name], rows)


def keep_events(connection: Connection, task_id: str, said: Sequence[Event]) -> None:
    """Keep those of a task's events that are not kept yet."""
    keep_rows(connection, [event_row(task_id, event) for event in said])


def last_kept(connection: Connection, task_id: str) -> int:
    """The number of the last event of a task that is kept; 0 when none is."""
    query = sa.select(sa.func.max(events.c.id)).where(events.c.task_id == task_id)
    return connection.execute(query).scalar() or 0


def kept_events(
    connection: Connection, task_id: str, after: int, upto: int | None = None
) -> list[Event]:
    """The kept events of a task above `after`, up to `upto`, in order."""
    where = (events.c.task_id == task_id) & (events.c.id > after)
    if upto is not None:
        where &= events.c.id <= upto
    query = sa.select(events).where(where).order_by(events.c.id)
    return [
        Event(row.id, row.kind, row.at, row.payload.encode()) for row in connection.execute(query)
    ]


def events_before(starts: int) -> int:
    """The number above which a task's events go on in a process that takes it up.

    Each process that started the task counts, so no number is used twice although chatter is not
    recorded; a task that never started has said nothing.
    """
    return starts * EVENTS_A_START
