"""Which steps of a flow become ready when others have ended, and which cannot run. Pure."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from slotgrid.core.task_states import StepState

WITHOUT_RESULT = frozenset({StepState.FAILED, StepState.CANCELLED, StepState.SKIPPED})
ENDED = WITHOUT_RESULT | {StepState.COMPLETED}


class FlowStep(NamedTuple):
    """A step, the steps that it waits for, and whether it goes on after an error.

    `continue_on_error`: the step runs although what it needs has failed, and what needs the step
    runs although it has failed.
    """

    name: str
    needs: tuple[str, ...]
    continue_on_error: bool


def settle(
    steps: Sequence[FlowStep], states: Mapping[str, StepState], passed_over: Collection[str]
) -> dict[str, StepState]:
    """The changes of pending steps: `ready` if they wait for nothing any more, or `skipped`.

    `steps` are in the order of the file, where each comes after what it needs. A step is skipped if
    something that it needs ended without a result; not by a step that was `passed_over`, since its
    condition did not hold, nor by one that goes on after errors.
    """
    by_name = {step.name: step for step in steps}
    now = dict(states)
    for step in steps:
        if now[step.name] is not StepState.PENDING:
            continue
        if any(now[name] not in ENDED for name in step.needs):
            continue
        blocked = not step.continue_on_error and any(
            _blocks(by_name[name], now[name]) for name in step.needs if name not in passed_over
        )
        now[step.name] = StepState.SKIPPED if blocked else StepState.READY
    return {name: state for name, state in now.items() if state is not states[name]}


def _blocks(step: FlowStep, state: StepState) -> bool:
    """Whether a step that has ended keeps those that need it from running."""
    if state is StepState.SKIPPED:
        return True
    return state in WITHOUT_RESULT and not step.continue_on_error
