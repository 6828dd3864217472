"""Ends of tasks that this process does not run: cancelled, lost or not runnable."""

from dataclasses import dataclass
from typing import Any

import orjson
import sqlalchemy as sa

from slotgrid.core.deadlines import iso
from slotgrid.core.event_log import Event
from slotgrid.core.task_states import TaskState
from slotgrid.records.store import due, flow_children, flow_rows, task_events
from slotgrid.records.store.due import DueKind
from slotgrid.records.store.flow_children import ChildEnd
from slotgrid.records.store.nodes import is_alive
from slotgrid.records.store.rows import LIVE, Connection, Row, get, live_at
from slotgrid.records.tables import tasks


@dataclass(frozen=True, slots=True)
class Ended:
    """A task that was ended in the database: the node that owned it, its class, whether it was
    still queued, whether its end is to be delivered, and the flow whose step it was.
    """

    node: str
    class_key: str
    waited: bool
    to_deliver: bool
    parent: str | None


def finish_unrun(
    connection: Connection,
    node: str,
    task_id: str,
    status: TaskState,
    error: dict[str, Any],
    *,
    at: float,
) -> Ended | None:
    """Record the end, at the time `at`, of a task that this process does not run.

    The task then belongs to `node`, which delivers its webhook. None if it had already ended.
    """
    row = get(connection, task_id)
    if row is None or row.status not in LIVE:
        return None
    return _finish(connection, row, node, status, error, at=at)


def cancel(
    connection: Connection, node: str, task_id: str, error: dict[str, Any], *, at: float
) -> Ended | None:
    """Cancel a task that this process does not run; None if this call did not end it.

    A task that runs at another live node is only marked: that node stops it and records its end.
    """
    row = get(connection, task_id)
    if row is None or row.status not in LIVE:
        return None
    elsewhere = row.node != node and row.status == TaskState.RUNNING
    if elsewhere and is_alive(connection, row.node):
        mark = tasks.update().where(live_at(row.node) & (tasks.c.id == task_id))
        connection.execute(mark.values(cancel_reason=error["reason"]))
        return None
    return _finish(connection, row, node, TaskState.CANCELLED, error, at=at)


def cancels(connection: Connection, node: str) -> dict[str, str]:
    """Reasons, by task id, of cancels that other nodes recorded for tasks of this node."""
    query = sa.select(tasks.c.id, tasks.c.cancel_reason).where(
        (tasks.c.node == node) & tasks.c.cancel_reason.is_not(None) & tasks.c.finished_at.is_(None)
    )
    return {row.id: row.cancel_reason for row in connection.execute(query)}


def _finish(
    connection: Connection,
    row: Row,
    node: str,
    status: TaskState,
    error: dict[str, Any],
    *,
    at: float,
) -> Ended | None:
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
        "size": len(row.body) + len(row.detail),
        "summary": orjson.dumps(summary).decode(),
        "detail": orjson.dumps(detail).decode(),
    }
    # The task's node may record an end at the same time: the first end counts.
    still = live_at(row.node) & (tasks.c.id == row.id)
    if connection.execute(tasks.update().where(still).values(**values)).rowcount == 0:
        return None
    # Above all event numbers that earlier processes may have used.
    last = max(task_events.last_kept(connection, row.id), task_events.events_before(row.starts))
    end_event = Event(last + 1, "error", at, orjson.dumps(error))
    task_events.keep_events(connection, row.id, [end_event])
    if row.delivery == "pending":
        due.schedule_now(connection, DueKind.WEBHOOK, [row.id], node)
    flow_rows.end_flow(connection, row.id, at)
    if (child := ChildEnd.of_record(row, values)) is not None:
        flow_children.end(connection, [child])
    return Ended(
        row.node,
        row.class_key,
        waited=row.status == TaskState.QUEUED,
        to_deliver=row.delivery == "pending",
        parent=row.parent,
    )
