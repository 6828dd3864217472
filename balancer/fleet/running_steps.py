"""The steps of a task that runs on a worker, updated from its `step` events."""

from datetime import datetime
from typing import Literal

import msgspec

from slotgrid.core.task import Task
from slotgrid.core.task_parts import Step
from slotgrid.core.task_states import StepState
from slotgrid.wire.limits import PARTS_LIMIT, STEP_INPUTS_LIMIT, STEP_OUTPUTS_LIMIT


class _StepShown(msgspec.Struct, frozen=True):
    """A step as `Step.to_json` shows it."""

    name: str
    function: str
    status: Literal["pending", "ready", "running", "completed", "failed", "skipped", "cancelled"]
    action: str | None = None
    worker: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    input: msgspec.Raw = msgspec.field(default_factory=lambda: msgspec.Raw(b"null"))
    output: msgspec.Raw = msgspec.field(default_factory=lambda: msgspec.Raw(b"null"))
    error: str | None = None


class _Payload(msgspec.Struct, frozen=True):
    data: _StepShown


_DECODER = msgspec.json.Decoder(_Payload)


class _Budget:
    """Bytes that the inputs, or the outputs, of all steps may take together."""

    __slots__ = ("_limit", "_used")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used = 0

    def replace(self, old: bytes, new: bytes) -> bytes:
        """The new value, which takes the place of the old one; null if it does not fit."""
        others = self._used - len(old)
        kept = new if others + len(new) <= self._limit else b"null"
        self._used = others + len(kept)
        return kept


class RunningSteps:
    """Updates `task.steps` with each `step` event of one attempt.

    The message that ends the attempt contains all steps, and replaces these. Until then, steps,
    inputs and outputs above the limits of the protocol are omitted.
    """

    __slots__ = ("_inputs", "_outputs", "_positions", "_task")

    def __init__(self, task: Task) -> None:
        self._task = task
        self._positions: dict[str, int] = {}
        self._inputs = _Budget(STEP_INPUTS_LIMIT)
        self._outputs = _Budget(STEP_OUTPUTS_LIMIT)

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
            steps.append(Step(shown.name, shown.function, input=b"", output=b""))
        before = steps[position]
        steps[position] = Step(
            shown.name,
            shown.function,
            StepState(shown.status),
            shown.started_at.timestamp() if shown.started_at is not None else None,
            shown.ended_at.timestamp() if shown.ended_at is not None else None,
            self._outputs.replace(before.output, bytes(shown.output)),
            shown.error,
            self._inputs.replace(before.input, bytes(shown.input)),
            shown.worker,
            shown.action,
        )

    def end(self) -> None:
        """Close the steps: the attempt is over."""
        for step in self._task.steps:
            step.close()
