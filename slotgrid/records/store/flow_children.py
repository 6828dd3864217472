"""The tasks of a flow's steps: their start and their end, each with all that follows from it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from slotgrid.core.deadlines import seconds_of
from slotgrid.core.task import Task
from slotgrid.core.task_states import StepState, TaskState
from slotgrid.records.json_views import task_detail
from slotgrid.records.store import acceptance, flow_rows
from slotgrid.records.store.acceptance import NewRecord
from slotgrid.records.store.flow_rows import STEP, is_live, settle_steps
from slotgrid.records.store.idempotency import Accepted
from slotgrid.records.store.rows import Connection, Row
from slotgrid.records.tables import flow_steps as steps

_INSTANCE = re.compile(r"(?P<name>[a-z0-9_]+)\[(?P<item>\d+)\]")
_INSERT = {
    "sqlite": sqlite.insert(steps).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(steps).on_conflict_do_nothing(),
}


def instance_name(name: str, item: int) -> str:
    """The step's name of a task: `name`, or `name[item]` of an instance."""
    return name if item == STEP else f"{name}[{item}]"


def parts_of(step: str) -> tuple[str, int]:
    """The inverse of `instance_name`."""
    found = _INSTANCE.fullmatch(step)
    return (found["name"], int(found["item"])) if found else (step, STEP)


@dataclass(frozen=True, slots=True)
class ChildEnd:
    """The end of a step's task, as the step shows it; `input` is JSON, as is `output`."""

    task_id: str
    parent: str
    step: str
    state: TaskState
    started_at: float | None
    ended_at: float
    worker: str | None
    input: str
    output: str | None
    error: str | None

    @classmethod
    def of(cls, task: Task) -> "ChildEnd | None":
        """The end of a task; None if it is no step's."""
        if task.parent is None or task.step is None:
            return None
        assert task.finished_at is not None
        completed = task.state is TaskState.COMPLETED
        return cls(
            task.id,
            task.parent,
            task.step,
            task.state,
            task.started_at,
            task.finished_at,
            task.worker,
            orjson.dumps(task_detail(task, None)["input"]).decode(),
            task.result.decode() if completed else None,
            orjson.dumps(task.error.to_problem()).decode() if task.error else None,
        )

    @classmethod
    def of_record(cls, row: Row, values: dict[str, Any]) -> "ChildEnd | None":
        """The end of a recorded task that this process does not run; None if it is no step's.

        `values`: the columns of its end.
        """
        if row.parent is None:
            return None
        detail = orjson.loads(values["detail"])
        began = detail.get("started_at")
        return cls(
            row.id,
            row.parent,
            row.step,
            TaskState(values["status"]),
            seconds_of(began) if began else None,
            values["finished_at"],
            row.worker,
            orjson.dumps(detail.get("input")).decode(),
            None,
            orjson.dumps(detail["error"]).decode(),
        )


def start(connection: Connection, batches: Sequence[Sequence[NewRecord]]) -> list[list[Accepted]]:
    """Record tasks of steps, each together with the start of its step; or that follow flows.

    A task is left out (`replayed`) if its flow has ended or moved to another node, or if the step
    or instance has a task already.
    """
    answers: list[list[Accepted]] = []
    for records in batches:
        mine = [_take(connection, record) for record in records]
        wanted = [record for record, ours in zip(records, mine, strict=True) if ours]
        (accepted,) = acceptance.insert(connection, [wanted])
        new = iter(accepted)
        answers.append(
            [
                next(new) if ours else Accepted(record.task.id, TaskState.QUEUED, replayed=True)
                for record, ours in zip(records, mine, strict=True)
            ]
        )
    return answers


def _take(connection: Connection, record: NewRecord) -> bool:
    task = record.task
    if task.parent is None or task.step is None:  # it follows a flow
        assert task.source.id is not None
        return flow_rows.take_follower(connection, task.source.id)
    if not is_live(connection, task.parent, record.node):
        return False
    name, item = parts_of(task.step)
    own = (steps.c.task_id == task.parent) & (steps.c.name == name) & (steps.c.item == STEP)
    values = {
        "state": StepState.RUNNING,
        "started_at": sa.func.coalesce(steps.c.started_at, task.created_at),
    }
    if item == STEP:
        ready = own & (steps.c.state == StepState.READY)
        started = steps.update().where(ready).values(**values, child=task.id)
        return connection.execute(started).rowcount == 1
    row = connection.execute(sa.select(steps).where(own)).first()
    if row is None or row.state not in {StepState.READY, StepState.RUNNING}:
        return False
    instance = row._asdict() | {
        "item": item,
        "state": StepState.RUNNING,
        "child": task.id,
        "started_at": task.created_at,
        "listed": None,
        "total": None,
    }
    if not connection.execute(_INSERT[connection.dialect.name], instance).rowcount:
        return False
    connection.execute(steps.update().where(own).values(**values, made=steps.c.made + 1))
    return True


def end(connection: Connection, ends: Sequence[ChildEnd]) -> None:
    """Record the ends of steps' tasks in their flows, with the steps that become ready by them."""
    for one in ends:
        name, item = parts_of(one.step)
        own = (steps.c.task_id == one.parent) & (steps.c.name == name)
        running = (
            own
            & (steps.c.item == item)
            & (steps.c.child == one.task_id)
            & (steps.c.state == StepState.RUNNING)
        )
        values = {
            "state": StepState(one.state),
            "started_at": one.started_at,
            "ended_at": one.ended_at,
            "worker": one.worker,
            "input": one.input,
            "output": one.output,
            "error": one.error,
        }
        if connection.execute(steps.update().where(running).values(values)).rowcount == 0:
            continue
        if item == STEP or _count(connection, own, one):
            settle_steps(connection, one.parent, one.ended_at)


def end_without_task(
    connection: Connection, flow: str, step: str, *, error: dict[str, Any], at: float
) -> None:
    """Record an instance of a step that has failed before it had a task."""
    name, item = parts_of(step)
    own = (steps.c.task_id == flow) & (steps.c.name == name)
    row = connection.execute(sa.select(steps).where(own & (steps.c.item == STEP))).first()
    if row is None or not is_live(connection, flow):
        return
    if row.state not in {StepState.READY, StepState.RUNNING}:
        return
    problem = orjson.dumps(error).decode()
    failed = row._asdict() | {
        "item": item,
        "state": StepState.FAILED,
        "listed": None,
        "total": None,
        "started_at": None,
        "ended_at": at,
        "error": problem,
    }
    if not connection.execute(_INSERT[connection.dialect.name], failed).rowcount:
        return
    made = {"made": steps.c.made + 1, "state": StepState.RUNNING}
    connection.execute(steps.update().where(own & (steps.c.item == STEP)).values(made))
    ended = ChildEnd("", flow, name, TaskState.FAILED, None, at, None, "null", None, problem)
    if _count(connection, own, ended):
        settle_steps(connection, flow, at)


def _count(connection: Connection, own: sa.ColumnElement[bool], ended: ChildEnd) -> bool:
    """Count an ended instance; returns whether its step has ended by it."""
    without_result = int(ended.state is not TaskState.COMPLETED)
    counted = (
        steps.update()
        .where(own & (steps.c.item == STEP))
        .values(ended=steps.c.ended + 1, failed=steps.c.failed + without_result)
        .returning(steps)
    )
    row = connection.execute(counted).one()
    if row.state != StepState.RUNNING:
        return False
    this = own & (steps.c.item == STEP)
    goes_on = row.continue_on_error or not row.failed
    if row.sequential and row.ended < row.total and goes_on:
        connection.execute(steps.update().where(this).values(state=StepState.READY))
        return False
    if row.ended < (row.made if row.sequential else row.total):
        return False
    values = {
        "state": StepState.FAILED if row.failed else StepState.COMPLETED,
        "ended_at": ended.ended_at,
        "error": ended.error if row.failed else None,
    }
    connection.execute(steps.update().where(this).values(values))
    return True
