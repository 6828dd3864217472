"""The steps of a flow as `GET /tasks/{id}` shows them."""

from typing import Any

import orjson
import sqlalchemy as sa

from slotgrid.core.deadlines import iso
from slotgrid.core.task_states import StepState
from slotgrid.records.store.flow_children import instance_name
from slotgrid.records.store.rows import Connection, Row
from slotgrid.records.tables import flow_steps as steps
from slotgrid.records.tables import tasks

OUTPUT_MOST = 64 * 1024
"""Bytes of a step's output that the flow shows; of a larger one it names the task."""
OUTPUTS_MOST = 16 * 1024 * 1024
"""Bytes of all outputs that the flow shows."""


def shown_steps(connection: Connection, task_id: str) -> list[dict[str, Any]]:
    """The steps in the order of the file, each followed by its instances."""
    query = (
        sa.select(steps, tasks.c.status, tasks.c.detail, tasks.c.worker.label("on"))
        .outerjoin(tasks, (tasks.c.id == steps.c.child) & (steps.c.state == StepState.RUNNING))
        .where(steps.c.task_id == task_id)
        .order_by(steps.c.position, steps.c.item)
    )
    left = OUTPUTS_MOST
    shown = []
    for row in connection.execute(query):
        size = len(row.output or "")
        fits = size <= min(OUTPUT_MOST, left)
        left -= size if fits else 0
        shown.append(_step(row, fits=fits))
    return shown


def _step(row: Row, *, fits: bool) -> dict[str, Any]:
    running = orjson.loads(row.detail) if row.detail else None
    error = orjson.loads(row.error) if row.error else None
    return {
        "name": instance_name(row.name, row.item),
        "function": row.function,
        "action": None,
        "status": row.state,
        "worker": row.worker or row.on,
        "started_at": running["started_at"] if running else iso(row.started_at),
        "ended_at": iso(row.ended_at),
        "input": running["input"] if running else orjson.loads(row.input or "null"),
        "output": orjson.loads(row.output or "null") if fits else _elsewhere(row),
        "error": error["detail"] if error else None,
        "task": row.child,
    }


def _elsewhere(row: Row) -> dict[str, Any]:
    """What stands for an output that is too large to be shown here."""
    return {"task": row.child, "url": f"/tasks/{row.child}", "size": len(row.output)}


def children(connection: Connection, task_id: str) -> list[Row]:
    """The tasks of a flow's steps: `id`, `step` and `finished_at`, by the order of their making."""
    query = sa.select(tasks.c.id, tasks.c.step, tasks.c.finished_at)
    return list(connection.execute(query.where(tasks.c.parent == task_id).order_by(tasks.c.id)))
