"""Starts the steps of a flow that are ready: conditions, items, inputs, tasks."""

import time
from collections.abc import Mapping, Sequence
from enum import Enum, auto
from typing import Any

import orjson

from balancer.flows.child_tasks import ChildTasks
from balancer.flows.flow_record import FlowRecord
from slotgrid.core.errors import (
    DatabaseUnavailable,
    FunctionFailed,
    NoWorker,
    QueueFull,
    ServiceError,
)
from slotgrid.core.task import Task
from slotgrid.core.task_states import StepState
from slotgrid.durable.durable_tasks import DurableTasks
from slotgrid.records.store import flow_children, flow_rows
from slotgrid.records.store.flow_children import instance_name
from slotgrid.records.store.flow_rows import FlowRow, StepRow
from slotgrid.steps.faults import TemplateFault
from slotgrid.steps.model import ITEMS_MOST, Step

AT_ONCE = 100
"""Instances of a `for_each` that are recorded in one commit."""


class Turn(Enum):
    """What a look at the ready steps has done."""

    NOTHING = auto()
    CHANGED = auto()
    WAITS = auto()
    """A step cannot start now: no worker offers its function, or there is no room."""


class StepStarts:
    """Starts steps of one flow. `scope` is what templates read, as the run fills it."""

    def __init__(
        self,
        task: Task,
        record: FlowRecord,
        durable: DurableTasks,
        children: ChildTasks,
        scope: Mapping[str, Any],
    ) -> None:
        self._task = task
        self._record = record
        self._durable = durable
        self._children = children
        self._scope = scope
        self._said: dict[str, str] = {}

    async def start(self, row: FlowRow, steps: Mapping[str, Step]) -> Turn:
        """Start all that can start now."""
        turns = {
            await self._start(steps[state.name], state)
            for state in row.steps.values()
            if _may_start(steps[state.name], state)
        }
        if Turn.CHANGED in turns:
            return Turn.CHANGED
        return Turn.WAITS if turns else Turn.NOTHING

    async def _start(self, step: Step, state: StepRow) -> Turn:
        try:
            await self._go_on(step, state)
        except NoWorker as away:
            return self._waits(step, f"waits for a worker: {away.detail}")
        except QueueFull as full:
            return self._waits(step, f"waits for room: {full.detail}")
        except DatabaseUnavailable:  # the database logs the outage
            return Turn.WAITS
        except (ServiceError, TemplateFault) as fault:
            await self._end(step, StepState.FAILED, error=_as_error(fault))
        self._said.pop(step.name, None)
        return Turn.CHANGED

    async def _go_on(self, step: Step, state: StepRow) -> None:
        """The next thing to do for the step. Raises what keeps it from it."""
        if state.total is not None:
            await self._start_instances(step)
        elif step.when is not None and not step.when.holds(self._scope):
            await self._end(step, StepState.SKIPPED, passed_over=True)
        else:
            if step.status is not None:
                text = str(step.status.render(self._scope))
                self._task.events.append("status", {"text": text, "data": None})
            if step.for_each is not None:
                await self._expand(step, step.for_each.render(self._scope))
            else:
                given = step.given.render(self._scope)
                await self._durable.start_steps([self._children.of_step(step, step.name, given)])

    async def _expand(self, step: Step, items: Any) -> None:
        """Record the items of a step's `for_each`. Raises FunctionFailed if they are no list."""
        if not isinstance(items, list):
            got = f"{type(items).__name__}: {str(items)[:80]!r}"
            raise FunctionFailed(f"for_each: expected a list, got {got}")
        if len(items) > ITEMS_MOST:
            raise FunctionFailed(f"for_each: got {len(items):,} items; {ITEMS_MOST:,} are possible")
        flow, listed = self._task.id, orjson.dumps(items).decode()
        await self._record.write(lambda c: flow_rows.expand(c, flow, step.name, listed, len(items)))
        if not items:
            await self._end(step, StepState.COMPLETED)

    async def _start_instances(self, step: Step) -> None:
        """Start the next instance of a sequential step, or all that have no task yet."""
        flow = self._task.id
        items, made = await self._record.read(lambda c: flow_rows.items(c, flow, step.name))
        missing = [index for index in range(len(items)) if index not in made]
        if step.sequential:
            missing = missing[:1]
        for first in range(0, len(missing), AT_ONCE):
            some = missing[first : first + AT_ONCE]
            tasks = [await self._instance(step, index, items[index]) for index in some]
            if made_now := [task for task in tasks if task is not None]:
                await self._start_some(made_now)

    async def _start_some(self, tasks: Sequence[Task]) -> None:
        """Start instances, also where there is room for a part of them. Raises QueueFull."""
        try:
            await self._durable.start_steps(tasks)
        except QueueFull:
            if len(tasks) == 1:
                raise
            half = len(tasks) // 2
            await self._start_some(tasks[:half])
            await self._start_some(tasks[half:])

    async def _instance(self, step: Step, index: int, item: Any) -> Task | None:
        """The task of an instance; None if it cannot have one, which its record says."""
        name = instance_name(step.name, index)
        try:
            given = step.given.render({**self._scope, "item": item, "index": index})
            return self._children.of_step(step, name, given)
        except NoWorker:
            raise
        except (ServiceError, TemplateFault) as fault:
            problem, flow, at = _as_error(fault).to_problem(), self._task.id, time.time()
        await self._record.write(
            lambda c: flow_children.end_without_task(c, flow, name, error=problem, at=at)
        )
        return None

    async def _end(
        self,
        step: Step,
        state: StepState,
        *,
        error: ServiceError | None = None,
        passed_over: bool = False,
    ) -> None:
        problem = None if error is None else error.to_problem()
        flow, at = self._task.id, time.time()
        await self._record.write(
            lambda c: flow_rows.end_step(
                c, flow, step.name, state, at=at, error=problem, passed_over=passed_over
            )
        )

    def _waits(self, step: Step, why: str) -> Turn:
        """Log once why a step does not start."""
        if self._said.get(step.name) != why:
            self._said[step.name] = why
            self._task.log(f"step {step.name} {why}")
        return Turn.WAITS


def _may_start(step: Step, state: StepRow) -> bool:
    """Whether the step is ready, or began to start its instances and has not started all."""
    if state.state is StepState.READY:
        return True
    fills = state.state is StepState.RUNNING and not step.sequential
    return fills and state.total is not None and state.made < state.total


def _as_error(fault: ServiceError | TemplateFault) -> ServiceError:
    return fault if isinstance(fault, ServiceError) else FunctionFailed(str(fault))
