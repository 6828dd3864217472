"""Task records: every statement that touches `slotgrid_tasks` and its events."""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import sqlalchemy as sa

from slotgrid.core.events import Event
from slotgrid.core.task import Task, TaskState, iso
from slotgrid.records.history import TaskFilter
from slotgrid.records.tables import events, meta, tasks
from slotgrid.records.views import task_detail, task_summary

LIVE = (TaskState.QUEUED, TaskState.RUNNING)
IDEMPOTENT_S = 24 * 3600.0
KEPT_KINDS = frozenset({"state", "step", "done", "error"})
"""The events of a durable task that are kept; its chatter lives in memory only."""

EVENTS_A_START = 1_000_000
"""More than a task says in one process."""

Connection = sa.Connection
Row = sa.Row[Any, Any]


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of a submission: recorded, or one that an earlier one stands for."""

    task_id: str
    replayed: bool = False
    conflict: bool = False


@dataclass(frozen=True, slots=True)
class NewRecord:
    """A task about to be recorded, with what only its submission knows."""

    task: Task
    queue_key: float
    class_key: str
    idempotency_key: str | None = None
    body_hash: str | None = None


def insert(connection: Connection, node: str, records: Sequence[NewRecord]) -> list[Accepted]:
    """Record all of them, or raise; one that an earlier task stands for already is not recorded.

    None is, if the key of one stands for another body.
    """
    answers, rows = [], []
    for record in records:
        standing = _standing(connection, record)
        if standing is None:
            rows.append(_row_of(record, node))
            answers.append(Accepted(record.task.id))
        else:
            same = standing.body_hash == record.body_hash
            answers.append(Accepted(standing.id, replayed=same, conflict=not same))
    if rows and not any(answer.conflict for answer in answers):
        connection.execute(tasks.insert(), rows)
    return answers


def _standing(connection: Connection, record: NewRecord) -> Row | None:
    """The task that stands for this key already; a key is free again after 24 hours."""
    if record.idempotency_key is None:
        return None
    mine = (tasks.c.owner == record.task.owner) & (
        tasks.c.idempotency_key == record.idempotency_key
    )
    oldest = time.time() - IDEMPOTENT_S
    connection.execute(
        tasks.update().where(mine & (tasks.c.created_at < oldest)).values(idempotency_key=None)
    )
    return connection.execute(sa.select(tasks.c.id, tasks.c.body_hash).where(mine)).first()


def _row_of(record: NewRecord, node: str) -> dict[str, Any]:
    task, submission = record.task, record.task.submission
    wait_until = None if submission.wait_s is None else task.created_at + submission.wait_s
    return {
        "id": task.id,
        "status": task.state,
        "function": task.spec.name,
        "group_name": task.spec.group,
        "contract": task.spec.contract,
        "owner": task.owner,
        "source": task.source.kind,
        "source_id": task.source.id,
        "node": node,
        "created_at": task.created_at,
        "not_before": submission.not_before.timestamp() if submission.not_before else None,
        "expires_at": submission.expires_at.timestamp() if submission.expires_at else None,
        "wait_until": wait_until,
        "queue_key": record.queue_key,
        "class_key": record.class_key,
        "idempotency_key": record.idempotency_key,
        "body_hash": record.body_hash,
        "body": orjson.dumps(submission.body).decode(),
        "delivery": "pending" if submission.webhook else None,
        "deliveries": "[]",
        **_shown(task),
    }


def _shown(task: Task) -> dict[str, Any]:
    """The columns that change as the task does."""
    return {
        "worker": task.worker,
        "summary": orjson.dumps(task_summary(task, None)).decode(),
        "detail": orjson.dumps(task_detail(task, None)).decode(),
    }


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn in a task's life, as it is recorded. Made where the task lives, since the writer is
    another thread and the task goes on.
    """

    task_id: str
    values: Mapping[str, Any]
    starts: int
    said: Sequence[Event]

    @classmethod
    def of(cls, task: Task, *, after: int) -> "Turn":
        """How the task stands, and what it said above `after` that is kept."""
        values: dict[str, Any] = {"status": task.state, "finished_at": task.finished_at}
        if task.error is not None:
            values["error"] = task.error.detail
        starts = task.lost_starts + len(task.attempts)
        return cls(task.id, values | _shown(task), starts, kept_of(task, after=after))


def kept_of(task: Task, *, after: int) -> Sequence[Event]:
    """What the task said above `after` that is kept."""
    return [event for event in task.events.after(after) if event.kind in KEPT_KINDS]


def begin(connection: Connection, turn: Turn, node: str) -> bool:
    """Note that the task starts here and now; False when it is no longer ours to start."""
    values = {**turn.values, "starts": tasks.c.starts + 1}
    return _take(connection, turn, _ours(turn.task_id, node), values)


def back_to_queue(connection: Connection, turn: Turn, node: str) -> None:
    """Note that an attempt failed and another follows, unless that one has begun meanwhile."""
    where = _ours(turn.task_id, node) & (tasks.c.starts <= turn.starts)
    _take(connection, turn, where, turn.values)


def finish(connection: Connection, turn: Turn, node: str) -> None:
    """Note the task's end, with its terminal event. What has an end keeps it."""
    _take(connection, turn, _ours(turn.task_id, node), turn.values)


def _ours(task_id: str, node: str) -> sa.ColumnElement[bool]:
    return (tasks.c.id == task_id) & (tasks.c.node == node) & tasks.c.status.in_(LIVE)


def _take(
    connection: Connection, turn: Turn, where: sa.ColumnElement[bool], values: Mapping[str, Any]
) -> bool:
    taken = connection.execute(tasks.update().where(where).values(**values)).rowcount == 1
    if taken:
        keep_events(connection, turn.task_id, turn.said)
    return taken


def keep_events(connection: Connection, task_id: str, said: Sequence[Event]) -> None:
    """Keep those of the events that are not kept yet."""
    if not said:
        return
    kept = _last_kept(connection, task_id)
    rows = [
        {
            "task_id": task_id,
            "id": event.id,
            "kind": event.kind,
            "at": event.at,
            "payload": event.payload.decode(),
        }
        for event in said
        if event.id > kept
    ]
    if rows:
        connection.execute(events.insert(), rows)


def _last_kept(connection: Connection, task_id: str) -> int:
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


def finish_unrun(
    connection: Connection,
    node: str,
    task_id: str,
    status: TaskState,
    error: dict[str, Any],
    *,
    at: float,
) -> str | None:
    """Note the end, `at` then, of a task that this process does not run: cancelled on disk or at
    another node, or not runnable. It is this node's from then on, which delivers it.

    Returns whose it was; None when it had an end already.
    """
    row = get(connection, task_id)
    if row is None or row.status not in LIVE:
        return None
    ended = {"status": status, "finished_at": iso(at)}
    summary = orjson.loads(row.summary) | ended | {"error": error["error"]}
    detail = orjson.loads(row.detail) | ended | {"error": error}
    if row.starts == 0:
        waited = {"queued_ms": round((at - row.created_at) * 1000, 1)}
        summary, detail = summary | waited, detail | waited
    values = {
        "node": node,
        "status": status,
        "finished_at": at,
        "error": error["error"],
        "summary": orjson.dumps(summary).decode(),
        "detail": orjson.dumps(detail).decode(),
    }
    # Its node may be recording an end of its own in this moment: the first one counts.
    if (
        connection.execute(tasks.update().where(_ours(task_id, row.node)).values(**values)).rowcount
        == 0
    ):
        return None
    # Above all that the processes before may have said.
    last = max(_last_kept(connection, task_id), events_before(row.starts))
    said = Event(last + 1, "error", at, orjson.dumps(error))
    keep_events(connection, task_id, [said])
    return str(row.node)


def events_before(starts: int) -> int:
    """The number above which a task's events go on in a process that takes it up.

    Each process that started the task counts, so no number is used twice although chatter is not
    recorded; a task that never started has said nothing.
    """
    return starts * EVENTS_A_START


def get(connection: Connection, task_id: str) -> Row | None:
    """The record of that id."""
    return connection.execute(sa.select(tasks).where(tasks.c.id == task_id)).first()


def next_queued(
    connection: Connection, node: str, class_key: str, *, limit: int, now: float
) -> list[Row]:
    """The next tasks of a class, smallest key first, that may start now."""
    due = tasks.c.not_before.is_(None) | (tasks.c.not_before <= now)
    query = (
        sa.select(tasks)
        .where(
            (tasks.c.node == node)
            & (tasks.c.status == TaskState.QUEUED)
            & (tasks.c.class_key == class_key)
            & due
            & sa.not_(_too_late(now))
        )
        .order_by(tasks.c.queue_key, tasks.c.id)
        .limit(limit)
    )
    return list(connection.execute(query))


def _too_late(now: float) -> sa.ColumnElement[bool]:
    """Whether a task has waited as long as it may. Without a limit it never has."""
    return sa.func.coalesce(tasks.c.wait_until < now, sa.false()) | sa.func.coalesce(
        tasks.c.expires_at < now, sa.false()
    )


def queued_classes(connection: Connection, node: str) -> dict[str, int]:
    """How many tasks wait, by class."""
    query = (
        sa.select(tasks.c.class_key, sa.func.count())
        .where((tasks.c.node == node) & (tasks.c.status == TaskState.QUEUED))
        .group_by(tasks.c.class_key)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def left_running(connection: Connection, node: str) -> list[Row]:
    """What was running when the node's last process ended."""
    query = sa.select(tasks).where((tasks.c.node == node) & (tasks.c.status == TaskState.RUNNING))
    return list(connection.execute(query))


def next_early(connection: Connection, node: str, class_key: str, now: float) -> float | None:
    """When the next task of the class that waits for its time may start, since the epoch."""
    query = sa.select(sa.func.min(tasks.c.not_before)).where(
        (tasks.c.node == node)
        & (tasks.c.status == TaskState.QUEUED)
        & (tasks.c.class_key == class_key)
        & (tasks.c.not_before > now)
    )
    return connection.execute(query).scalar()


def select(
    connection: Connection, wanted: TaskFilter, *, limit: int, offset: int
) -> tuple[list[Row], int]:
    """A page of records, newest first, and how many the filter accepts."""
    where = sa.and_(sa.true(), *_conditions(wanted))
    total = connection.execute(sa.select(sa.func.count()).select_from(tasks).where(where)).scalar()
    query = (
        sa.select(tasks.c.id, tasks.c.summary)
        .where(where)
        .order_by(tasks.c.id.desc())
        .limit(limit)
        .offset(offset)
    )
    return list(connection.execute(query)), total or 0


def _conditions(wanted: TaskFilter) -> list[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = []
    if wanted.status is not None:
        found.append(tasks.c.status.in_(sorted(wanted.status)))
    pairs = (
        (tasks.c.function, wanted.function),
        (tasks.c.group_name, wanted.group),
        (tasks.c.worker, wanted.worker),
        (tasks.c.owner, wanted.owner),
        (tasks.c.owner, wanted.owner_only),
        (tasks.c.source, wanted.source),
        (tasks.c.delivery, wanted.delivery),
    )
    found += [column == value for column, value in pairs if value is not None]
    if wanted.schedule is not None:
        found += [tasks.c.source == "schedule", tasks.c.source_id == wanted.schedule]
    if wanted.since is not None:
        found.append(tasks.c.created_at >= wanted.since)
    if wanted.until is not None:
        found.append(tasks.c.created_at < wanted.until)
    if wanted.q is not None:
        text = wanted.q.lower()
        found.append(
            sa.or_(
                tasks.c.id.contains(text, autoescape=True),
                sa.func.lower(tasks.c.function).contains(text, autoescape=True),
                sa.func.lower(tasks.c.error).contains(text, autoescape=True),
            )
        )
    return found


def waiting_ids(connection: Connection, node: str, wanted: TaskFilter) -> list[str]:
    """Those of the tasks that the filter accepts which wait at that node."""
    mine = (tasks.c.node == node) & (tasks.c.status == TaskState.QUEUED)
    query = sa.select(tasks.c.id).where(sa.and_(mine, *_conditions(wanted)))
    return [row.id for row in connection.execute(query)]


def note_attempt(
    connection: Connection, task_id: str, state: str, attempt: Mapping[str, Any]
) -> None:
    """Note an attempt at delivering a task's webhook, and how the delivery stands since."""
    query = sa.select(tasks.c.deliveries).where(tasks.c.id == task_id)
    if (made := connection.execute(query).scalar()) is None:
        return  # it was removed meanwhile
    attempts = orjson.dumps([*orjson.loads(made), attempt]).decode()
    connection.execute(
        tasks.update().where(tasks.c.id == task_id).values(delivery=state, deliveries=attempts)
    )


def remove_finished(connection: Connection, before: float, limit: int) -> Collection[str]:
    """Remove tasks that ended before that moment, with their events; returns their ids."""
    query = (
        sa.select(tasks.c.id)
        .where((tasks.c.finished_at < before) & (tasks.c.delivery.is_distinct_from("pending")))
        .limit(limit)
    )
    ids = [row.id for row in connection.execute(query)]
    if ids:
        connection.execute(events.delete().where(events.c.task_id.in_(ids)))
        connection.execute(tasks.delete().where(tasks.c.id.in_(ids)))
    return ids


def requeue(connection: Connection, row: Row) -> None:
    """Put a task whose process died back into the queue, at its own place; once for each start."""
    lost = (tasks.c.id == row.id) & (tasks.c.status == TaskState.RUNNING)
    same = lost & (tasks.c.starts == row.starts)
    connection.execute(tasks.update().where(same).values(status=TaskState.QUEUED))


def claim(connection: Connection, node: str, task_ids: Collection[str]) -> set[str]:
    """Note that this process takes the tasks up; the ids of those that still wait here."""
    waits = (tasks.c.node == node) & (tasks.c.status == TaskState.QUEUED)
    mine = tasks.c.id.in_(list(task_ids)) & waits
    connection.execute(tasks.update().where(mine).values(restores=tasks.c.restores + 1))
    return {row.id for row in connection.execute(sa.select(tasks.c.id).where(mine))}


def owned(connection: Connection, node: str, task_ids: Collection[str]) -> set[str]:
    """Which of the tasks are that node's."""
    mine = tasks.c.id.in_(list(task_ids)) & (tasks.c.node == node)
    return {row.id for row in connection.execute(sa.select(tasks.c.id).where(mine))}


def overdue(connection: Connection, node: str, now: float) -> list[Row]:
    """Queued tasks that have waited as long as they may."""
    query = sa.select(tasks.c.id).where(
        (tasks.c.node == node)
        & (tasks.c.status == TaskState.QUEUED)
        & ((tasks.c.wait_until < now) | (tasks.c.expires_at < now))
    )
    return list(connection.execute(query))


def undelivered(connection: Connection, node: str) -> list[Row]:
    """Ended tasks whose webhook is still to be delivered."""
    query = sa.select(tasks.c.id).where(
        (tasks.c.node == node) & (tasks.c.delivery == "pending") & tasks.c.status.not_in(LIVE)
    )
    return list(connection.execute(query))


def deliver_again(connection: Connection, task_id: str, node: str) -> None:
    """Note that the task's webhook is to be sent once more, by that node."""
    again = {"delivery": "pending", "node": node}
    connection.execute(tasks.update().where(tasks.c.id == task_id).values(**again))


def known(connection: Connection, task_ids: Collection[str]) -> set[str]:
    """Which of the ids are recorded."""
    query = sa.select(tasks.c.id).where(tasks.c.id.in_(list(task_ids)))
    return {row.id for row in connection.execute(query)}


def shared_secret(connection: Connection, name: str, fresh: str) -> str:
    """The secret of that name, made at the first start and shared by all nodes since."""
    row = connection.execute(sa.select(meta.c.value).where(meta.c.name == name)).first()
    if row is not None:
        return str(row.value)
    connection.execute(meta.insert().values(name=name, value=fresh))
    return fresh
