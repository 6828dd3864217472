"""The steps of a task that runs on a worker, updated from its `step` events."""

from datetime import datetime
from typing import Literal

import msgspec

from slotgrid.core.parts import Step
from slotgrid.core.states import StepState
from slotgrid.core.task import Task
from slotgrid.wire.limits import PARTS_LIMIT, STEP_OUTPUTS_LIMIT

NO_OUTPUT = b"null"


class _StepShown(msgspec.Struct, frozen=True):
    """A step as `Step.to_json` shows it."""

    name: str
    function: str
    status: Literal["pending", "ready", "running", "completed", "failed", "skipped", "cancelled"]
    started_at: datetime
    ended_at: datetime | None = None
    output: msgspec.Raw = msgspec.field(default_factory=lambda: msgspec.Raw(b"null"))
    error: str | None = None


class _Payload(msgspec.Struct, frozen=True):
    data: _StepShown


_DECODER = msgspec.json.Decoder(_Payload)


class RunningSteps:
    """Updates `task.steps` with each `step` event of one attempt.

    The message that ends the attempt contains all steps, and replaces these. Until then, steps
    and outputs above the limits of the protocol are omitted.
    """

    __slots__ = ("_outputs_size", "_positions", "_task")

    def __init__(self, task: Task) -> None:
        self._task = task
        self._positions: dict[str, int] = {}
        self._outputs_size = 0

    def update(self, payload: bytes) -> None:
        """Apply the payload of a `step` event; an invalid one is ignored."""
        try:
            shown = _DECODER.decode(payload).data
        except (msgspec.DecodeError, RecursionError):
            return
        steps = self._task.steps
        if not self._positions:
            steps.clear()  # steps of an earlier attempt
        position = self._positions.get(shown.name)
        if position is None:
            if len(steps) >= PARTS_LIMIT:
                return
            position = self._positions[shown.name] = len(steps)
            steps.append(Step(shown.name, shown.function, output=NO_OUTPUT))
            self._outputs_size += len(NO_OUTPUT)
        output, others_size = bytes(shown.output), self._outputs_size - len(steps[position].output)
        if others_size + len(output) > STEP_OUTPUTS_LIMIT:
            output = NO_OUTPUT
        self._outputs_size = others_size + len(output)
        steps[position] = Step(
            shown.name,
            shown.function,
            StepState(shown.status),
            shown.started_at.timestamp(),
            shown.ended_at.timestamp() if shown.ended_at is not None else None,
            output,
            shown.error,
        )

    def end(self) -> None:
        """Mark running steps as cancelled: the attempt is over."""
        for step in self._task.steps:
            if step.state is StepState.RUNNING:
                step.end(StepState.CANCELLED)
