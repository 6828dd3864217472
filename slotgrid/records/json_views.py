"""JSON of functions and tasks in API responses."""

from typing import Any

import orjson

from slotgrid.core.admission import Admission
from slotgrid.core.deadlines import iso
from slotgrid.core.spec import FunctionSpec
from slotgrid.core.task import Task
from slotgrid.core.task_states import TaskState


def function_detail(spec: FunctionSpec, admission: Admission) -> dict[str, Any]:
    """A function as `GET /functions/{name}` shows it: with the modes that this node offers."""
    return spec.to_json() | {"modes": admission.modes(spec)}


def task_summary(task: Task, position: int | None) -> dict[str, Any]:
    """A task as a row of `GET /tasks`."""
    submission = task.submission
    return {
        "id": task.id,
        "function": task.spec.name,
        "kind": task.spec.kind,
        "group": task.spec.group,
        "contract": task.spec.contract,
        "status": task.state,
        "mode": submission.mode,
        "priority": submission.priority,
        "owner": task.owner,
        "source": {"kind": task.source.kind, "id": task.source.id},
        "parent": task.parent,
        "step": task.step,
        "worker": task.worker,
        "created_at": iso(task.created_at),
        "started_at": iso(task.started_at),
        "finished_at": iso(task.finished_at),
        "queued_ms": task.queued_ms,
        "run_ms": task.run_ms,
        "queue_position": position if task.state is TaskState.QUEUED else None,
        "error": task.error.detail if task.error else None,
    }


def task_detail(task: Task, position: int | None) -> dict[str, Any]:
    """A task as `GET /tasks/{id}` shows it. Inputs that the schema marks `writeOnly` are hidden."""
    submission, spec = task.submission, task.spec
    return task_summary(task, position) | {
        "input": spec.input.redacted(task.input),
        "metadata": submission.metadata,
        "timeout_s": task.timeout_s,
        "wait_s": submission.wait_s,
        "attempts": [attempt.to_json() for attempt in task.attempts],
        "steps": [step.to_json() for step in task.steps],
        "artifacts": list(task.artifacts.values()),
        "traffic": task.traffic.to_json() if task.traffic else None,
        "lost_starts": task.lost_starts,
        "deliveries": [],
        "result": orjson.Fragment(task.result) if task.state is TaskState.COMPLETED else None,
        "error": task.error.to_problem() if task.error else None,
    }
