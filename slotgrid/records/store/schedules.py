"""Schedules on record: their definitions, their next firings as due work, and their history."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from slotgrid.records.store.clock import clock_of
from slotgrid.records.store.due import DueKind
from slotgrid.records.store.rows import Connection
from slotgrid.records.tables import due, schedule_runs, schedules, tasks

API, FILE = "api", "file"
"""Where a schedule was made."""

NextAfter = Callable[[float], float | None]
"""The first firing after a time, both in seconds since the epoch; None if there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A schedule to record. `body` is JSON."""

    name: str
    owner: str
    origin: str
    body: str
    enabled: bool
    next_after: NextAfter


@dataclass(frozen=True, slots=True)
class Stored:
    """A schedule on record. `next_at` is its next firing; None while it is switched off."""

    name: str
    owner: str
    origin: str
    body: str
    enabled: bool
    created_at: float
    changed_at: float
    next_at: float | None


_is_of = (due.c.kind == DueKind.SCHEDULE) & (due.c.ref == schedules.c.name)
_select = sa.select(*schedules.c, due.c.due_at.label("next_at")).select_from(
    schedules.outerjoin(due, _is_of)
)


def get(connection: Connection, name: str) -> Stored | None:
    """The schedule of that name, or None."""
    row = connection.execute(_select.where(schedules.c.name == name)).first()
    return None if row is None else _stored(row)


def page(connection: Connection, limit: int, offset: int) -> tuple[list[Stored], int]:
    """A page of schedules by name, and the number of all."""
    rows = connection.execute(_select.order_by(schedules.c.name).limit(limit).offset(offset))
    return [_stored(row) for row in rows], count(connection)


def count(connection: Connection) -> int:
    """The number of all schedules."""
    return int(connection.execute(sa.select(sa.func.count()).select_from(schedules)).scalar_one())


def count_by_group(connection: Connection) -> dict[str | None, int]:
    """The number of schedules of each group; None is the default group."""
    # PostgreSQL's functions for JSON refuse texts that have NUL in any member.
    bodies = connection.execute(sa.select(schedules.c.body)).scalars()
    return dict(Counter(orjson.loads(body).get("group") for body in bodies))


def of_origin(connection: Connection, origin: str) -> list[Stored]:
    """All schedules that were made there."""
    return [_stored(row) for row in connection.execute(_select.where(schedules.c.origin == origin))]


def create(connection: Connection, new: Definition) -> bool:
    """Record a schedule with its next firing; False if the name is taken."""
    now = clock_of(connection)
    values = {
        "name": new.name,
        "owner": new.owner,
        "origin": new.origin,
        "body": new.body,
        "enabled": new.enabled,
        "created_at": now,
        "changed_at": now,
    }
    if connection.execute(_insert(connection, schedules).values(values)).rowcount == 0:
        return False
    _set_next(connection, new.name, new.next_after(now) if new.enabled else None)
    return True


def replace(connection: Connection, new: Definition, *, seen: Stored, keep_next: bool) -> bool:
    """Replace a schedule as it was `seen`; False if it is gone or another now. Its history stays.

    `keep_next` keeps the next firing: the times and the switch are the same as before, so that a
    firing that is due is not lost.
    """
    now = clock_of(connection)
    values = {
        "owner": new.owner,
        "origin": new.origin,
        "body": new.body,
        "enabled": new.enabled,
        "changed_at": now,
    }
    update = schedules.update().where(_is_still(seen)).values(values)
    if connection.execute(update).rowcount == 0:
        return False
    if not keep_next:
        _set_next(connection, new.name, new.next_after(now) if new.enabled else None)
    return True


def switch(connection: Connection, seen: Stored, next_after: NextAfter, *, on: bool) -> bool:
    """Switch a schedule as it was `seen`; False if it is gone or another now."""
    now = clock_of(connection)
    update = schedules.update().where(_is_still(seen)).values(enabled=on, changed_at=now)
    if connection.execute(update).rowcount == 0:
        return False
    _set_next(connection, seen.name, next_after(now) if on else None)
    return True


def remove(connection: Connection, names: Collection[str]) -> int:
    """Remove schedules with their history; returns their number. Their tasks stay."""
    listed = sorted(names)
    connection.execute(due.delete().where((due.c.kind == DueKind.SCHEDULE) & due.c.ref.in_(listed)))
    connection.execute(schedule_runs.delete().where(schedule_runs.c.schedule.in_(listed)))
    return connection.execute(schedules.delete().where(schedules.c.name.in_(listed))).rowcount


@dataclass(frozen=True, slots=True)
class Run:
    """One firing: the task that it started, or the reason why it started none.

    `task_status` is None if the task's record is gone.
    """

    due_at: float
    fired_at: float
    outcome: str
    task_id: str | None
    task_status: str | None
    reason: str | None


def runs(
    connection: Connection, names: Collection[str], *, limit: int
) -> Mapping[str, Sequence[Run]]:
    """The last firings of each schedule, newest first."""
    number = (
        sa.func.row_number()
        .over(partition_by=schedule_runs.c.schedule, order_by=schedule_runs.c.due_at.desc())
        .label("number")
    )
    last = (
        sa.select(schedule_runs, number)
        .where(schedule_runs.c.schedule.in_(sorted(names)))
        .subquery()
    )
    query = (
        sa.select(last, tasks.c.status.label("task_status"))
        .select_from(last.outerjoin(tasks, tasks.c.id == last.c.task_id))
        .where(last.c.number <= limit)
        .order_by(last.c.schedule, last.c.due_at.desc())
    )
    found: dict[str, list[Run]] = {name: [] for name in names}
    for row in connection.execute(query):
        found[row.schedule].append(
            Run(row.due_at, row.fired_at, row.outcome, row.task_id, row.task_status, row.reason)
        )
    return found


def _is_still(seen: Stored) -> sa.ColumnElement[bool]:
    return (schedules.c.name == seen.name) & (schedules.c.changed_at == seen.changed_at)


def _set_next(connection: Connection, name: str, at: float | None) -> None:
    """Set the next firing; None: there is none."""
    row = (due.c.kind == DueKind.SCHEDULE) & (due.c.ref == name)
    connection.execute(due.delete().where(row))
    if at is not None:
        # Any node may act.
        values = {"kind": DueKind.SCHEDULE, "ref": name, "due_at": at, "attempt": 1}
        connection.execute(due.insert().values(values))


def _insert(connection: Connection, table: sa.Table) -> Any:
    """An insert that leaves an existing row alone."""
    kind = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    return kind(table).on_conflict_do_nothing()


def _stored(row: Any) -> Stored:
    return Stored(
        row.name,
        row.owner,
        row.origin,
        row.body,
        row.enabled,
        row.created_at,
        row.changed_at,
        row.next_at,
    )
