"""Idempotency keys of durable tasks, which are on record: a key expires after 24 hours.

For the other modes see `slotgrid/tasks/in_memory_idempotency.py`.
"""

import time
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from slotgrid.core.task_states import TaskState
from slotgrid.records.store.rows import Connection, Row
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


def earlier_task(connection: Connection, owner: str, key: str | None) -> Row | None:
    """The task that the owner submitted with this key, if the key has not expired."""
    if key is None:
        return None
    mine = (tasks.c.owner == owner) & (tasks.c.idempotency_key == key)
    oldest = time.time() - IDEMPOTENT_S
    connection.execute(
        tasks.update().where(mine & (tasks.c.created_at < oldest)).values(idempotency_key=None)
    )
    query: sa.Select[Any] = sa.select(tasks.c.id, tasks.c.status, tasks.c.body_hash).where(mine)
    return connection.execute(query).first()


def answer(task_id: str, body_hash: str | None, earlier: Row | None) -> Accepted:
    """The result for a task, given the earlier one of its key: another body is a conflict."""
    if earlier is None:
        return Accepted(task_id)
    same = earlier.body_hash == body_hash
    state = TaskState(earlier.status)
    return Accepted(earlier.id, state=state, replayed=same, conflict=not same)
