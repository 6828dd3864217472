"""Records new tasks: all or none, and one task for each idempotency key."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import sqlalchemy as sa

from slotgrid.core.task import Task
from slotgrid.core.task_states import TaskState
from slotgrid.records.store.rows import Connection, Row, execute, shown
from slotgrid.records.tables import tasks

IDEMPOTENT_S = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Accepted:
    """Result of a submission: a new record, a replay of an earlier task, or a conflict.

    `state` is the recorded task's state. `position` is its position on disk, where 1 is next; None
    for a task in memory.
    """

    task_id: str
    state: TaskState = TaskState.QUEUED
    replayed: bool = False
    conflict: bool = False
    position: int | None = None


@dataclass(frozen=True, slots=True)
class NewRecord:
    """A task to record, with the facts of its submission.

    `arrived_at` is the start of its waiting, in seconds since the epoch by the steady clock of its
    node. `queue_key` is `arrived_at` plus the delay of its priority.
    """

    task: Task
    node: str
    arrived_at: float
    queue_key: float
    class_key: str
    idempotency_key: str | None = None
    body_hash: str | None = None


def insert(connection: Connection, batches: Sequence[Sequence[NewRecord]]) -> list[list[Accepted]]:
    """Record the tasks of each batch, all or none.

    A task whose idempotency key has an earlier task with the same body is not recorded again. An
    earlier task with another body is a conflict: then no task of the batch is recorded.
    """
    answers: list[list[Accepted]] = []
    rows: list[dict[str, Any]] = []
    for records in batches:
        existing = [_existing(connection, record) for record in records]
        accepted = [
            _answer(record, earlier) for record, earlier in zip(records, existing, strict=True)
        ]
        answers.append(accepted)
        if not any(answer.conflict for answer in accepted):
            new = zip(records, existing, strict=True)
            rows += [_row_of(record) for record, earlier in new if earlier is None]
    execute(connection, tasks.insert(), rows)
    return answers


def _existing(connection: Connection, record: NewRecord) -> Row | None:
    """The earlier task with this idempotency key; a key expires after 24 hours."""
    if record.idempotency_key is None:
        return None
    mine = (tasks.c.owner == record.task.owner) & (
        tasks.c.idempotency_key == record.idempotency_key
    )
    oldest = time.time() - IDEMPOTENT_S
    connection.execute(
        tasks.update().where(mine & (tasks.c.created_at < oldest)).values(idempotency_key=None)
    )
    query: sa.Select[Any] = sa.select(tasks.c.id, tasks.c.status, tasks.c.body_hash).where(mine)
    return connection.execute(query).first()


def _answer(record: NewRecord, existing: Row | None) -> Accepted:
    if existing is None:
        return Accepted(record.task.id)
    same = existing.body_hash == record.body_hash
    state = TaskState(existing.status)
    return Accepted(existing.id, state=state, replayed=same, conflict=not same)


def _row_of(record: NewRecord) -> dict[str, Any]:
    task, submission = record.task, record.task.submission
    wait_until = None if submission.wait_s is None else record.arrived_at + submission.wait_s
    return {
        "id": task.id,
        "status": task.state,
        "function": task.spec.name,
        "group_name": task.spec.group,
        "contract": task.spec.contract,
        "owner": task.owner,
        "source": task.source.kind,
        "source_id": task.source.id,
        "node": record.node,
        "created_at": task.created_at,
        "not_before": submission.not_before.timestamp() if submission.not_before else None,
        "expires_at": submission.expires_at.timestamp() if submission.expires_at else None,
        "wait_until": wait_until,
        "queue_key": record.queue_key,
        "class_key": record.class_key,
        "starts": 0,
        "idempotency_key": record.idempotency_key,
        "body_hash": record.body_hash,
        "body": orjson.dumps(submission.body).decode(),
        "delivery": "pending" if submission.webhook else None,
        "deliveries": "[]",
        "size": 0,
        **shown(task),
    }
