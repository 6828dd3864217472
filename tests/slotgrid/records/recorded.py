"""Tasks as they are recorded, without a node that runs them."""

from typing import Any

from slotgrid.core.submission import Submission
from slotgrid.core.task import Task
from slotgrid.durable.rehydration import class_key_of
from slotgrid.records.store.acceptance import NewRecord
from tests.slotgrid.core.fakes import PLAIN

NODE = "node-1"


def async_task(*, owner: str = "alice", created_at: float | None = None, **fields: Any) -> Task:
    """A task of mode async; `fields` as of `POST /task`."""
    submission = Submission.parse({"function": "plain", "mode": "async"} | fields)
    task = Task(submission, PLAIN, owner=owner, input=submission.input)
    if created_at is not None:
        task.created_at = created_at
    return task


def record(
    task: Task, key: str | None = None, body_hash: str | None = None, *, node: str = NODE
) -> NewRecord:
    """The record of a new task; its key in the queue is its arrival."""
    arrived_at = task.created_at
    return NewRecord(task, node, arrived_at, arrived_at, class_key_of(task), key, body_hash)
