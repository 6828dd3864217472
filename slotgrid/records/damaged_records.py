"""Records with damaged JSON columns: their error, and their row in a list."""

from typing import Any

from slotgrid.core.deadlines import iso
from slotgrid.core.errors import Internal
from slotgrid.core.fields import DEFAULT_PRIORITY, Mode
from slotgrid.records.store.rows import Row

DAMAGE = (ValueError, KeyError, TypeError)
"""Errors of parsing a damaged column: no JSON, a missing member, another type."""


class UnreadableRecord(Internal):
    """The record of a task is damaged. `owner` is the owner of the task."""

    def __init__(self, task_id: str, owner: str) -> None:
        super().__init__(
            f"the record of task {task_id} cannot be read: its row in the database is damaged",
            task_id=task_id,
        )
        self.owner = owner


def unreadable_summary(row: Row) -> dict[str, Any]:
    """A row of `GET /tasks` from the plain columns of a damaged record.

    The list thus stays complete. Members without a column of their own have a neutral value.
    """
    return {
        "id": row.id,
        "function": row.function,
        "kind": "python",
        "group": row.group_name,
        "contract": row.contract,
        "status": row.status,
        "mode": Mode.ASYNC if row.delivery is None else Mode.WEBHOOK,
        "priority": DEFAULT_PRIORITY,
        "owner": row.owner,
        "source": {"kind": row.source, "id": row.source_id},
        "parent": row.parent,
        "step": row.step,
        "worker": row.worker,
        "created_at": iso(row.created_at),
        "started_at": None,
        "finished_at": iso(row.finished_at),
        "queued_ms": 0.0,
        "run_ms": 0.0,
        "queue_position": None,
        "error": UnreadableRecord(row.id, row.owner).detail,
    }
