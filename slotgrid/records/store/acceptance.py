"""Records new tasks: all or none, and one task for each idempotency key."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import orjson

from slotgrid.core.task import Task
from slotgrid.records.store import idempotency
from slotgrid.records.store.idempotency import Accepted
from slotgrid.records.store.rows import Connection, execute, shown
from slotgrid.records.tables import tasks


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
        existing = [
            idempotency.earlier_task(connection, record.task.owner, record.idempotency_key)
            for record in records
        ]
        accepted = [
            idempotency.answer(record.task.id, record.body_hash, earlier)
            for record, earlier in zip(records, existing, strict=True)
        ]
        answers.append(accepted)
        if not any(answer.conflict for answer in accepted):
            new = zip(records, existing, strict=True)
            rows += [row_of(record) for record, earlier in new if earlier is None]
    execute(connection, tasks.insert(), rows)
    return answers


def row_of(record: NewRecord) -> dict[str, Any]:
    """The columns of a new task."""
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
        "parent": task.parent,
        "step": task.step,
        "retry": msgspec.json.encode(task.retry).decode() if task.retry else None,
        **shown(task),
    }
