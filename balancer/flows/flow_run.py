"""One run of a flow: starts the steps that are ready, until every step has ended.

Where the flow stands is on record alone; what this process knows it reads from there. So a run
that an earlier process began goes on the same way as one that begins now.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from balancer.flows.child_tasks import ChildTasks
from balancer.flows.flow_record import FlowRecord
from balancer.flows.parts import FlowParts
from balancer.flows.step_starts import StepStarts, Turn
from slotgrid.core.errors import (
    DeadlineExceeded,
    FunctionFailed,
    OutputInvalid,
    ServiceError,
    UnknownFunction,
)
from slotgrid.core.runner import AttemptFailed
from slotgrid.core.task import Task
from slotgrid.core.task_states import StepState, TaskState
from slotgrid.records.store import flow_rows
from slotgrid.records.store.flow_rows import ENDED, STEP, FlowRow, NewFlow, NewStep, StepRow
from slotgrid.records.store.rows import Connection
from slotgrid.steps.faults import TemplateFault
from slotgrid.steps.model import StepsFile
from slotgrid.steps.reading import read_steps

OUTPUTS_MOST = 64 * 1024 * 1024
"""Bytes of JSON that the steps of a flow may return together."""
POLL_S = 2.0
"""Between two looks at the record if other nodes may end its tasks, after a takeover."""
WAIT_S = 1.0
"""Between two attempts to start a step that waits for a worker or for room."""
BAD = {StepState.FAILED, StepState.CANCELLED}


class FlowRun:
    """One run of a flow in this process, from its record as it stands."""

    def __init__(self, task: Task, row: FlowRow, parts: FlowParts) -> None:
        self._task = task
        self._started_at = row.started_at
        self._record = FlowRecord(parts.database)
        self._file = read_steps(row.definition.encode())
        self._steps = {step.name: step for step in self._file.steps}
        self._children = ChildTasks(task, parts.admission, contract=row.contract, depth=row.depth)
        self._scope: dict[str, Any] = {
            "input": task.input,
            "steps": {},
            "task": {"id": task.id, "attempt": len(task.attempts) + task.lost_starts},
            "secrets": {},
            "vars": {},
        }
        self._starts = StepStarts(task, self._record, parts.durable, self._children, self._scope)
        self._attention = asyncio.Event()
        self._states: dict[str, StepState] = {}
        self._bytes = 0

    @classmethod
    async def begin(cls, task: Task, parts: FlowParts) -> "FlowRun":
        """Record the flow as its file is now, unless it has begun. Raises AttemptFailed."""
        record = FlowRecord(parts.database)
        row = await record.read(lambda c: flow_rows.load(c, task.id))
        if row is None:
            new = await _new_flow(task, parts)
            row = await record.write(lambda c: _begun(c, new))
        return cls(task, row, parts)

    def wake(self) -> None:
        """Look at the record: a task of the flow has ended."""
        self._attention.set()

    async def result(self) -> bytes:
        """The flow's result as JSON. Raises AttemptFailed."""
        timeout_s = self._task.timeout_s
        try:
            async with asyncio.timeout(self._started_at + timeout_s - time.time()):
                return self._result(await self._until_ended())
        except TimeoutError as cause:
            late = DeadlineExceeded(f"the flow has not ended within {timeout_s:g} s")
            raise AttemptFailed(late, retryable=False) from cause
        except ServiceError as error:
            raise AttemptFailed(error, retryable=False) from error

    def after(self) -> str | None:
        """What follows the flow's end: a submission as JSON; None if its file names nothing."""
        task = self._task
        handler = {
            TaskState.COMPLETED: self._file.on_success,
            TaskState.FAILED: self._file.on_error,
            TaskState.CANCELLED: self._file.on_cancel,
        }[task.state]
        if handler is None:
            return None
        not_run = {"status": StepState.SKIPPED.value, "output": None, "error": None}
        scope = {
            **self._scope,
            "steps": dict.fromkeys(self._steps, not_run) | self._scope["steps"],
            "status": task.state.value,
            "result": orjson.loads(task.result) if task.state is TaskState.COMPLETED else None,
            "error": _error_shown(task),
        }
        try:
            body = self._children.after(handler, handler.given.render(scope))
            return orjson.dumps(body).decode()
        except TemplateFault as fault:
            task.log(f"{handler.function}, which follows the flow, cannot start: {fault}")
            return None

    async def _until_ended(self) -> FlowRow:
        while True:
            self._attention.clear()
            row = await self._record.read(lambda c: flow_rows.load(c, self._task.id))
            assert row is not None, "a flow stays on record as long as its task"
            await self._note(row)
            if all(step.state in ENDED for step in row.steps.values()):
                return row
            turn = await self._starts.start(row, self._steps)
            if turn is not Turn.CHANGED:
                await self._wait(row, WAIT_S if turn is Turn.WAITS else None)

    async def _wait(self, row: FlowRow, within_s: float | None) -> None:
        """Wait for the end of a task; `within_s` at most, if a step waits for something else."""
        if within_s is None and self._record.has_other_nodes:
            within_s = POLL_S
        try:
            async with asyncio.timeout(within_s):
                await self._attention.wait()
        except TimeoutError:
            return

    async def _note(self, row: FlowRow) -> None:
        """Show what has changed to templates and to those who follow the flow."""
        changed = [
            step for step in row.steps.values() if self._states.get(step.name) is not step.state
        ]
        ended = [step.name for step in changed if step.state in ENDED]
        outputs = await self._outputs(ended) if ended else {}
        for step in changed:
            self._states[step.name] = step.state
            error = step.error["detail"] if step.error else None
            if step.state in ENDED:
                self._scope["steps"][step.name] = {
                    "status": step.state.value,
                    "output": outputs[step.name],
                    "error": error,
                }
            if step.state is not StepState.PENDING:
                data = {"name": step.name, "status": step.state, "error": error}
                if step.total is not None:
                    data |= {"total": step.total, "failed": step.failed}
                text = f"{step.name} {step.state}"
                self._task.events.append("step", {"text": text, "data": data})

    async def _outputs(self, names: Sequence[str]) -> Mapping[str, Any]:
        """What these steps returned; a list, if a step has a `for_each`. Raises OutputInvalid."""
        found = await self._record.read(lambda c: flow_rows.outputs(c, self._task.id, names))
        self._bytes += sum(len(output) for _, _, output in found if output)
        if self._bytes > OUTPUTS_MOST:
            raise OutputInvalid(
                f"the steps of the flow returned more than {OUTPUTS_MOST // 1024**2} MB together: "
                "return less, or save files"
            )
        outputs: dict[str, Any] = {}
        for name, item, output in found:
            value = orjson.loads(output) if output else None
            if item != STEP:
                outputs[name].append(value)
            else:
                outputs[name] = value if self._steps[name].for_each is None else []
        return outputs

    def _result(self, row: FlowRow) -> bytes:
        """The result. Raises a ServiceError if a step failed that the flow does not tolerate."""
        for step in row.steps.values():
            if step.state in BAD and not self._steps[step.name].continue_on_error:
                raise _failure(step)
        file = self._file
        if file.result is None:
            result = {name: one["output"] for name, one in self._scope["steps"].items()}
        else:
            try:
                result = file.result.render(self._scope)
            except TemplateFault as fault:
                line = file.document.line("/return")
                raise FunctionFailed(f"return (line {line}): {fault}") from fault
        if file.output is not None and (faults := file.output.violations(result)):
            first = faults[0]
            raise OutputInvalid(
                f"the flow returned what its output does not allow: "
                f"{first.pointer or 'the whole'}: {first.message}",
                errors=faults,
            )
        return orjson.dumps(result)


async def _new_flow(task: Task, parts: FlowParts) -> NewFlow:
    """The flow as its file is now. Raises AttemptFailed if there is none."""
    flow = parts.files.find(task.spec.group, task.spec.name)
    if flow is None:
        gone = UnknownFunction(f'the file of the flow "{task.spec.name}" is gone')
        raise AttemptFailed(gone, retryable=False)
    return NewFlow(
        task_id=task.id,
        definition=flow.text.decode(),
        contract=await _contract(task, flow.file, parts),
        started_at=time.time(),
        steps=_new_steps(flow.file),
        parent=task.parent,
        goes_on_from=task.source.id if task.source.kind == "retry" else None,
    )


async def _contract(task: Task, file: StepsFile, parts: FlowParts) -> int | None:
    """The contract of the flow's group in which its steps run; None if none runs there.

    Waits for the first worker of the group if there is none.
    """
    group, asked = task.spec.group, task.submission.contract or file.contract
    if asked is not None or all(step.group not in {None, group} for step in file.steps):
        return asked
    newest, told = parts.newest_contract(group), False
    while newest is None:
        if not told:
            task.log(f'waits for a worker of the group "{group}"')
            told = True
        await asyncio.sleep(WAIT_S)
        newest = parts.newest_contract(group)
    return newest


def _new_steps(file: StepsFile) -> list[NewStep]:
    """The steps of a file; those without `needs` wait for the step before them."""
    new = []
    before: tuple[str, ...] = ()
    for step in file.steps:
        assert step.function is not None, "a step of a flow has a function"
        new.append(
            NewStep(
                step.name,
                step.function,
                before if step.needs is None else step.needs,
                continue_on_error=step.continue_on_error,
                sequential=step.sequential,
            )
        )
        before = (step.name,)
    return new


def _begun(connection: Connection, new: NewFlow) -> FlowRow:
    flow_rows.begin(connection, new)
    row = flow_rows.load(connection, new.task_id)
    assert row is not None, "it was recorded in this transaction"
    return row


def _failure(step: StepRow) -> FunctionFailed:
    """The error of a flow by the first step that failed it."""
    problem: Mapping[str, Any] = step.error or {}
    why = problem.get("detail") or f"it was {step.state}"
    if step.total is not None and step.failed:
        why = f"{step.failed} of {step.total} instances failed: {why}"
    return FunctionFailed(
        f"step {step.name}: {why}", reason=problem.get("reason"), extra={"step": step.name}
    )


def _error_shown(task: Task) -> dict[str, Any] | None:
    """The flow's error as templates of `on_error` and `on_cancel` read it."""
    if task.error is None:
        return None
    return {
        "step": task.error.extra.get("step"),
        "message": task.error.detail,
        "type": task.error.name,
    }
