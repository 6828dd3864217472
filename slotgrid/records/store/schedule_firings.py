"""Firings of schedules: the claim, the task, the history and the next firing are one transaction.

So a firing happens once, whichever node dies at whichever moment, and however many nodes read that
it is due.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from slotgrid.records.store.acceptance import NewRecord, row_of
from slotgrid.records.store.clock import clock_of
from slotgrid.records.store.due import DueKind
from slotgrid.records.store.rows import Connection, execute
from slotgrid.records.tables import due, has_ended, schedule_runs, schedules, tasks

RUNS_KEPT = 100
"""Firings in the history of a schedule, besides older ones whose tasks have not ended."""
CANCELLED_BY_NEXT = "the next firing of its schedule cancelled it"


class Overlap(StrEnum):
    """What a firing does while a task of an earlier one has not ended."""

    ALLOW = "allow"
    SKIP = "skip"
    CANCEL_PREVIOUS = "cancel_previous"


class FiringOutcome(StrEnum):
    """What became of a firing."""

    STARTED = "started"
    SKIPPED = "skipped"
    MISSED = "missed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """A firing as one node has decided it.

    `changed_at` is the version of the schedule that was read. `claimed_at` is the due time in the
    table of due work that this firing claims, and `next_at` the next one (None: it never fires
    again); without a claim, someone starts the schedule by hand. `due_at` is the time in the
    history, None for now. Without a `record` no task starts, for the `reason`.
    """

    name: str
    changed_at: float
    claimed_at: float | None
    next_at: float | None
    due_at: float | None
    outcome: FiringOutcome
    overlap: Overlap = Overlap.ALLOW
    record: NewRecord | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Fired:
    """What the transaction did.

    `lost`: another node fired it, or the schedule is another now; nothing was written. `new`: the
    task of the firing was recorded. `previous` are the tasks to cancel.
    """

    lost: bool = False
    new: bool = False
    outcome: FiringOutcome = FiringOutcome.STARTED
    task_id: str | None = None
    reason: str | None = None
    previous: Sequence[str] = field(default=())


LOST = Fired(lost=True)


def fire(connection: Connection, firings: Sequence[Firing]) -> list[Fired]:
    """Do the firings that still hold; each schedule has one at most."""
    now = clock_of(connection)
    names = sorted({firing.name for firing in firings})
    versions = _lock(connection, names)
    due_times = _due_times(connection, names)
    live = _live_tasks(connection, names)
    earlier = _earlier_tasks(connection, firings)
    answers: list[Fired] = []
    done: list[tuple[Firing, Fired]] = []
    for firing in firings:
        holds = versions.get(firing.name) == firing.changed_at and (
            firing.claimed_at is None or due_times.get(firing.name) == firing.claimed_at
        )
        fired = _decided(firing, live[firing.name], earlier) if holds else LOST
        answers.append(fired)
        if holds:
            done.append((firing, fired))
    _write(connection, done, now)
    return answers


def _decided(firing: Firing, live: Sequence[str], earlier: Mapping[tuple[str, str], str]) -> Fired:
    if firing.record is None:
        return Fired(outcome=firing.outcome, reason=firing.reason)
    task = firing.record.task
    again = earlier.get((task.owner, firing.record.idempotency_key or ""))
    if again is not None:
        return Fired(outcome=FiringOutcome.STARTED, task_id=again, reason=firing.reason)
    if live and firing.overlap is Overlap.SKIP:
        reason = f"the task {live[-1]} of an earlier firing has not ended"
        return Fired(outcome=FiringOutcome.SKIPPED, reason=reason)
    cancelled = live if firing.overlap is Overlap.CANCEL_PREVIOUS else ()
    return Fired(
        new=True,
        outcome=FiringOutcome.STARTED,
        task_id=task.id,
        reason=firing.reason,
        previous=cancelled,
    )


def _lock(connection: Connection, names: Collection[str]) -> dict[str, float]:
    """The versions of the schedules, which no other node changes or fires before the commit."""
    query = (
        sa.select(schedules.c.name, schedules.c.changed_at)
        .where(schedules.c.name.in_(names))
        .order_by(schedules.c.name)  # the order of locks: two nodes cannot block each other
        .with_for_update()
    )
    return {row.name: row.changed_at for row in connection.execute(query)}


def _due_times(connection: Connection, names: Collection[str]) -> dict[str, float]:
    # After the locks, in a statement of its own: PostgreSQL then sees what their last owner did.
    query = sa.select(due.c.ref, due.c.due_at).where(
        (due.c.kind == DueKind.SCHEDULE) & due.c.ref.in_(names)
    )
    return {row.ref: row.due_at for row in connection.execute(query)}


def _live_tasks(connection: Connection, names: Collection[str]) -> Mapping[str, list[str]]:
    """The tasks of each schedule that have not ended, oldest first."""
    query = (
        sa.select(schedule_runs.c.schedule, tasks.c.id)
        .select_from(schedule_runs.join(tasks, tasks.c.id == schedule_runs.c.task_id))
        .where(schedule_runs.c.schedule.in_(names) & ~has_ended)
        .order_by(schedule_runs.c.due_at)
    )
    live: defaultdict[str, list[str]] = defaultdict(list)
    for row in connection.execute(query):
        live[row.schedule].append(row.id)
    return live


def _earlier_tasks(connection: Connection, firings: Sequence[Firing]) -> dict[tuple[str, str], str]:
    """Tasks that have the idempotency keys of these firings already."""
    keys = [
        (firing.record.task.owner, firing.record.idempotency_key)
        for firing in firings
        if firing.record is not None
    ]
    if not keys:
        return {}
    columns = (tasks.c.owner, tasks.c.idempotency_key)
    query = sa.select(tasks.c.id, *columns).where(sa.tuple_(*columns).in_(keys))
    return {(row.owner, row.idempotency_key): row.id for row in connection.execute(query)}


def _write(connection: Connection, done: Sequence[tuple[Firing, Fired]], now: float) -> None:
    new = [firing.record for firing, fired in done if fired.new and firing.record is not None]
    execute(connection, tasks.insert(), [row_of(record) for record in new])
    # For a crash before the cancels: the start of their node, or another node, does them.
    previous = [{"of": task_id} for _, fired in done for task_id in fired.previous]
    execute(connection, _MARK, previous)
    runs = [
        {
            "schedule": firing.name,
            "due_at": now if firing.due_at is None else firing.due_at,
            "fired_at": now,
            "outcome": fired.outcome,
            "task_id": fired.task_id,
            "reason": fired.reason,
        }
        for firing, fired in done
    ]
    execute(connection, _INSERT_RUN[connection.dialect.name], runs)
    claims = [firing for firing, _ in done if firing.claimed_at is not None]
    moved = [
        {"of": firing.name, "at": firing.next_at} for firing in claims if firing.next_at is not None
    ]
    execute(connection, _MOVE, moved)
    execute(
        connection, _REMOVE, [{"of": firing.name} for firing in claims if firing.next_at is None]
    )
    execute(connection, _TRIM, [{"of": firing.name} for firing, _ in done])


_of_row = (due.c.kind == DueKind.SCHEDULE) & (due.c.ref == sa.bindparam("of"))
_MOVE = due.update().where(_of_row).values(due_at=sa.bindparam("at"), claimer=None)
_REMOVE = due.delete().where(_of_row)
_MARK = (
    tasks.update()
    .where((tasks.c.id == sa.bindparam("of")) & ~has_ended)
    .values(cancel_reason=CANCELLED_BY_NEXT)
)


def _insert_run(insert: Any) -> Any:
    return insert.on_conflict_do_nothing()


_INSERT_RUN = {
    "sqlite": _insert_run(sqlite.insert(schedule_runs)),
    "postgresql": _insert_run(postgresql.insert(schedule_runs)),
}
_newer = schedule_runs.alias("newer")
_TRIM = schedule_runs.delete().where(
    (schedule_runs.c.schedule == sa.bindparam("of"))
    & (
        schedule_runs.c.due_at
        < sa.select(_newer.c.due_at)
        .where(_newer.c.schedule == sa.bindparam("of"))
        .order_by(_newer.c.due_at.desc())
        .limit(1)
        .offset(RUNS_KEPT - 1)
        .scalar_subquery()
    )
    # A task that has not ended counts for the overlap, however many firings it outlasts.
    & ~sa.exists().where((tasks.c.id == schedule_runs.c.task_id) & ~has_ended)
)
