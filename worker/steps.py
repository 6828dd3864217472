"""Runs one step of a task: its state, times, input, output and error, and their events."""

import asyncio
from types import TracebackType
from typing import Any, Self

from slotgrid.core.task_parts import Step
from slotgrid.core.task_states import StepState
from slotgrid.runtime.task_output import OUTPUT
from worker import failures
from worker.attempt import RunningAttempt
from worker.task_output import StepOutput

SHOWN_BYTES = 1024 * 1024
"""A larger input or output of a step is left out of its `step` events."""


class StepScope:
    """A step is running while the block runs: `async with StepScope(attempt, step, given)`.

    At the end of the block the step completes with the output that was set. An exception fails
    the step and passes through; so does a cancel, which cancels the step. Each change of the
    state is emitted as a `step` event.
    """

    def __init__(self, attempt: RunningAttempt, step: Step, given: Any) -> None:
        self._attempt = attempt
        self._step = step
        self._given = given
        self._output = b"null"

    async def __aenter__(self) -> Self:
        attempt = self._attempt
        self._output_of_step = StepOutput(attempt, self._step.name)
        self._before = OUTPUT.get()
        OUTPUT.set(self._output_of_step)
        self._step.begin(worker=attempt.task.worker, input=attempt.input_of_step(self._given))
        await emit_step(attempt, self._step)
        return self

    def set_output(self, result: Any) -> None:
        """Set the step's output, plain JSON. Raises KeepsTooMuch."""
        self._output = self._attempt.output_of_step(result)

    async def __aexit__(
        self,
        _: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        attempt, step = self._attempt, self._step
        self._output_of_step.end()
        OUTPUT.set(self._before)
        if isinstance(error, asyncio.CancelledError):
            step.end(StepState.CANCELLED)
        elif error is not None:  # `SystemExit` too: it also ends the step
            step.end(StepState.FAILED, error=attempt.secrets.hide_text(failures.in_words(error)))
            if not attempt.closed:
                await emit_step(attempt, step)
        else:
            step.end(StepState.COMPLETED, output=self._output)
            await emit_step(attempt, step)


async def emit_step(attempt: RunningAttempt, step: Step) -> None:
    """Emit a step's state as in the task's `steps`, but without large values."""
    shown = step.to_json()
    for name, value in (("input", step.input), ("output", step.output)):
        if len(value) > SHOWN_BYTES:
            shown[name] = None
    await attempt.emit_event("step", {"text": step.name, "data": shown})
