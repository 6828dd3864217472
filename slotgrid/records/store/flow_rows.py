"""The rows of flows: a flow as it was at its start, and the states of its steps.

Every change of a step makes, in the same transaction, the steps ready that waited for it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
import sqlalchemy as sa

from slotgrid.core.task_states import StepState, TaskState
from slotgrid.records.store.rows import LIVE, Connection, Row, execute
from slotgrid.records.tables import flow_steps as steps
from slotgrid.records.tables import flows, tasks
from slotgrid.steps.flow_graph import FlowStep, settle

STEP = -1
"""`item` of a step itself; its instances by `for_each` have the item's index."""
ENDED = (StepState.COMPLETED, StepState.FAILED, StepState.SKIPPED, StepState.CANCELLED)
WITHOUT_RESULT = (TaskState.FAILED, TaskState.CANCELLED)
_STATES = (
    steps.c.name, steps.c.state, steps.c.passed_over, steps.c.total, steps.c.made, steps.c.failed,
    steps.c.error,
)  # fmt: skip
_TAKEN_OVER = [
    column.name for column in steps.columns if column.name not in {"task_id", "position", "needs"}
]


@dataclass(frozen=True, slots=True)
class NewStep:
    """A step of a flow that starts."""

    name: str
    function: str
    needs: tuple[str, ...]
    continue_on_error: bool = False
    sequential: bool = False


@dataclass(frozen=True, slots=True)
class NewFlow:
    """A flow that starts. `goes_on_from`: the ended flow whose finished steps it takes over."""

    task_id: str
    definition: str
    contract: int | None
    started_at: float
    steps: Sequence[NewStep]
    parent: str | None = None
    goes_on_from: str | None = None


@dataclass(frozen=True, slots=True)
class StepRow:
    """Where a step of a flow stands. `total`: the items of its `for_each`, None before and without.

    `error`: a problem, or None.
    """

    name: str
    state: StepState
    passed_over: bool
    total: int | None
    made: int
    failed: int
    error: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class FlowRow:
    """A flow that has started: its file then, and where its steps stand, by name."""

    definition: str
    contract: int | None
    depth: int
    started_at: float
    steps: Mapping[str, StepRow] = field(default_factory=dict)


def begin(connection: Connection, new: NewFlow) -> None:
    """Record the start of a flow, unless an earlier process has: its first steps are ready."""
    if _flow(connection, new.task_id) is not None:
        return
    depth = 1
    if new.parent is not None:
        depth += int(
            connection.execute(
                sa.select(flows.c.depth).where(flows.c.task_id == new.parent)
            ).scalar()
            or 0
        )
    connection.execute(
        flows.insert().values(
            task_id=new.task_id,
            definition=new.definition,
            contract=new.contract,
            depth=depth,
            started_at=new.started_at,
        )
    )
    rows = [_row_of(new.task_id, position, step) for position, step in enumerate(new.steps)]
    taken = _taken_over(connection, new) if _left_off(connection, new.goes_on_from) else []
    steps_taken = {row["name"] for row in taken if row["item"] == STEP}
    execute(
        connection, steps.insert(), [row for row in rows if row["name"] not in steps_taken] + taken
    )
    settle_steps(connection, new.task_id, new.started_at)


def load(connection: Connection, task_id: str) -> FlowRow | None:
    """The flow and where its steps stand; None if it has not started."""
    row = _flow(connection, task_id)
    if row is None:
        return None
    of_flow = (steps.c.task_id == task_id) & (steps.c.item == STEP)
    found = connection.execute(sa.select(*_STATES).where(of_flow).order_by(steps.c.position))
    return FlowRow(
        row.definition,
        row.contract,
        row.depth,
        row.started_at,
        {
            one.name: StepRow(
                one.name,
                StepState(one.state),
                one.passed_over,
                one.total,
                one.made,
                one.failed,
                orjson.loads(one.error) if one.error else None,
            )
            for one in found
        },
    )


def outputs(
    connection: Connection, task_id: str, names: Collection[str]
) -> list[tuple[str, int, str | None]]:
    """What steps and their instances returned: name, item, JSON; by item."""
    query = (
        sa.select(steps.c.name, steps.c.item, steps.c.output)
        .where((steps.c.task_id == task_id) & steps.c.name.in_(list(names)))
        .order_by(steps.c.name, steps.c.item)
    )
    return [(row.name, row.item, row.output) for row in connection.execute(query)]


def items(connection: Connection, task_id: str, name: str) -> tuple[list[Any], set[int]]:
    """The items of a step's `for_each`, and the indexes of those that have an instance."""
    of_step = (steps.c.task_id == task_id) & (steps.c.name == name)
    listed = connection.execute(
        sa.select(steps.c.listed).where(of_step & (steps.c.item == STEP))
    ).scalar()
    made = connection.execute(sa.select(steps.c.item).where(of_step & (steps.c.item > STEP)))
    return orjson.loads(listed or "[]"), {row.item for row in made}


def expand(connection: Connection, task_id: str, name: str, listed: str, total: int) -> None:
    """Record the items of a step's `for_each`, JSON; a step without any is completed."""
    if not is_live(connection, task_id):
        return
    of_step = _step(task_id, name) & (steps.c.state == StepState.READY) & steps.c.total.is_(None)
    connection.execute(steps.update().where(of_step).values(listed=listed, total=total))


def end_step(
    connection: Connection,
    task_id: str,
    name: str,
    state: StepState,
    *,
    at: float,
    error: Mapping[str, Any] | None = None,
    passed_over: bool = False,
) -> None:
    """Record the end of a ready step that has no task: its `when` did not hold, or it is faulty."""
    if not is_live(connection, task_id):
        return
    values = {
        "state": state,
        "ended_at": at,
        "passed_over": passed_over,
        "error": None if error is None else orjson.dumps(error).decode(),
    }
    of_step = _step(task_id, name) & (steps.c.state == StepState.READY)
    if connection.execute(steps.update().where(of_step).values(values)).rowcount:
        settle_steps(connection, task_id, at)


def settle_steps(connection: Connection, task_id: str, at: float) -> None:
    """Make the steps ready that no longer wait, and skip those that cannot run."""
    # Two nodes may record ends of one flow at once: the second must see what the first wrote.
    connection.execute(sa.select(flows.c.depth).where(flows.c.task_id == task_id).with_for_update())
    query = sa.select(
        steps.c.name, steps.c.needs, steps.c.continue_on_error, steps.c.state, steps.c.passed_over
    ).where((steps.c.task_id == task_id) & (steps.c.item == STEP))
    found = list(connection.execute(query.order_by(steps.c.position)))
    changes = settle(
        [
            FlowStep(row.name, tuple(orjson.loads(row.needs)), bool(row.continue_on_error))
            for row in found
        ],
        {row.name: StepState(row.state) for row in found},
        {row.name for row in found if row.passed_over},
    )
    for name, state in changes.items():
        ended_at = at if state is StepState.SKIPPED else None
        values = {"state": state, "ended_at": ended_at}
        connection.execute(steps.update().where(_step(task_id, name)).values(values))


def end_flow(connection: Connection, task_id: str, at: float, *, after: str | None = None) -> None:
    """Record that a flow has ended: running steps are cancelled, waiting ones skipped.

    `after`: what follows it, a submission as JSON.
    """
    of_flow = steps.c.task_id == task_id
    for states, ended in (
        ([StepState.RUNNING], StepState.CANCELLED),
        ([StepState.PENDING, StepState.READY], StepState.SKIPPED),
    ):
        left = of_flow & steps.c.state.in_(states)
        connection.execute(steps.update().where(left).values(state=ended, ended_at=at))
    if after is not None:
        connection.execute(flows.update().where(flows.c.task_id == task_id).values(after=after))


def followers_due(connection: Connection, limit: int) -> list[Row]:
    """What follows ended flows and has not started: `id`, `owner`, `after`.

    Of every node: the one that ended a flow may have died, and an ended task is not taken over.
    """
    query = (
        sa.select(tasks.c.id, tasks.c.owner, flows.c.after)
        .join(tasks, tasks.c.id == flows.c.task_id)
        .where(flows.c.after.is_not(None))
        .limit(limit)
    )
    return list(connection.execute(query))


def take_follower(connection: Connection, task_id: str) -> bool:
    """Note that what follows a flow starts or cannot start; False if it was noted before."""
    waits = (flows.c.task_id == task_id) & flows.c.after.is_not(None)
    return connection.execute(flows.update().where(waits).values(after=None)).rowcount == 1


def is_live(connection: Connection, task_id: str, node: str | None = None) -> bool:
    """Whether the flow has not ended, and belongs to `node` if one is given."""
    row = connection.execute(
        sa.select(tasks.c.status, tasks.c.node).where(tasks.c.id == task_id)
    ).first()
    return row is not None and row.status in LIVE and node in {None, row.node}


def orphans(connection: Connection, node: str, limit: int) -> list[tuple[str, str]]:
    """Live tasks of that node whose flow has ended: their ids, and how the flow ended."""
    flow = tasks.alias("flow")
    query = (
        sa.select(tasks.c.id, flow.c.status)
        .join(flow, flow.c.id == tasks.c.parent)
        .where(
            (tasks.c.node == node)
            & tasks.c.parent.is_not(None)
            & tasks.c.finished_at.is_(None)
            & tasks.c.cancel_reason.is_(None)
            & flow.c.finished_at.is_not(None)
        )
        .limit(limit)
    )
    return [(row.id, row.status) for row in connection.execute(query)]


def _flow(connection: Connection, task_id: str) -> Row | None:
    return connection.execute(sa.select(flows).where(flows.c.task_id == task_id)).first()


def _step(task_id: str, name: str) -> sa.ColumnElement[bool]:
    return (steps.c.task_id == task_id) & (steps.c.name == name) & (steps.c.item == STEP)


def _row_of(task_id: str, position: int, step: NewStep) -> dict[str, Any]:
    return {column.name: None for column in steps.columns} | {
        "task_id": task_id,
        "name": step.name,
        "item": STEP,
        "position": position,
        "function": step.function,
        "needs": orjson.dumps(step.needs).decode(),
        "continue_on_error": step.continue_on_error,
        "sequential": step.sequential,
        "state": StepState.PENDING,
        "passed_over": False,
        "made": 0,
        "ended": 0,
        "failed": 0,
    }


def _left_off(connection: Connection, task_id: str | None) -> bool:
    """Whether there is something to go on from: a flow that has ended without its result."""
    status = sa.select(tasks.c.status).where(tasks.c.id == task_id)
    return task_id is not None and connection.execute(status).scalar() in WITHOUT_RESULT


def _taken_over(connection: Connection, new: NewFlow) -> list[dict[str, Any]]:
    """The rows of finished steps of an earlier flow, for a step of the same name and function.

    Of a `for_each` that did not finish, the instances that did are taken over.
    """
    before = connection.execute(sa.select(steps).where(steps.c.task_id == new.goes_on_from))
    earlier: dict[str, list[Row]] = {}
    for row in before:
        earlier.setdefault(row.name, []).append(row)
    taken: list[dict[str, Any]] = []
    for position, step in enumerate(new.steps):
        found = earlier.get(step.name, [])
        own = next((row for row in found if row.item == STEP), None)
        if own is None or own.function != step.function:
            continue
        done = [row for row in found if row.item > STEP and row.state == StepState.COMPLETED]
        fixed = {
            "task_id": new.task_id,
            "position": position,
            "needs": orjson.dumps(step.needs).decode(),
            "continue_on_error": step.continue_on_error,
            "sequential": step.sequential,
        }
        copies = [{name: getattr(row, name) for name in _TAKEN_OVER} | fixed for row in done]
        if own.state == StepState.COMPLETED or own.passed_over:
            taken += [{name: getattr(own, name) for name in _TAKEN_OVER} | fixed, *copies]
        elif done and own.total is not None:
            resumed = _row_of(new.task_id, position, step) | {
                "listed": own.listed,
                "total": own.total,
                "made": len(done),
                "ended": len(done),
            }
            taken += [resumed, *copies]
    return taken
