"""Steps of a running task, as its worker's events report them."""

from typing import Any

import orjson
import pytest

from balancer.fleet import running_steps as steps_module
from balancer.fleet.running_steps import RunningSteps
from slotgrid.core.submission import Submission
from slotgrid.core.task import Task
from slotgrid.core.task_parts import Step
from slotgrid.core.task_states import StepState
from tests.slotgrid.core.fakes import PLAIN


def a_task() -> Task:
    return Task(Submission(function=PLAIN.name), PLAIN, owner="somebody", input={})


def payload(step: Step) -> bytes:
    return orjson.dumps({"text": step.name, "data": step.to_json()})


def shown(task: Task) -> list[Any]:
    return [orjson.loads(orjson.dumps(step.to_json())) for step in task.steps]


def test_steps_are_shown_as_their_worker_shows_them() -> None:
    task, there = a_task(), [Step("a-1", "a"), Step("b-2", "b")]
    steps = RunningSteps(task)
    for step in there:
        steps.update(payload(step))
    there[1].end(StepState.COMPLETED, output=b'{"n":1}')
    steps.update(payload(there[1]))
    assert shown(task) == [orjson.loads(orjson.dumps(step.to_json())) for step in there]
    steps.end()
    assert [step.state for step in task.steps] == [StepState.CANCELLED, StepState.COMPLETED]


def test_a_step_shows_its_input_its_worker_and_its_action() -> None:
    task, step = a_task(), Step.pending("a-1", "a", action="click")
    steps = RunningSteps(task)
    steps.update(payload(step))
    assert shown(task) == [orjson.loads(orjson.dumps(step.to_json()))]
    step.begin(worker="w1", input=b'{"n":1}')
    steps.update(payload(step))
    assert shown(task) == [orjson.loads(orjson.dumps(step.to_json()))]
    assert (task.steps[0].worker, task.steps[0].input) == ("w1", b'{"n":1}')


def test_those_of_an_earlier_attempt_are_replaced() -> None:
    task = a_task()
    RunningSteps(task).update(payload(Step("a-1", "a")))
    RunningSteps(task).update(payload(Step("b-1", "b")))
    assert [step.name for step in task.steps] == ["b-1"]


@pytest.mark.parametrize(
    "said", [b"1", b"{}", b'{"data":{"name":1}}', b'{"data":null}', b'{"data":' * 2000]
)
def test_what_is_no_step_is_left_out(said: bytes) -> None:
    task = a_task()
    RunningSteps(task).update(said)
    assert task.steps == []


def test_steps_and_outputs_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps_module, "PARTS_LIMIT", 3)
    monkeypatch.setattr(steps_module, "STEP_OUTPUTS_LIMIT", 10)
    task = a_task()
    steps = RunningSteps(task)
    for number in range(5):
        step = Step(f"a-{number}", "a")
        step.end(StepState.COMPLETED, output=b'"xxxxxx"')
        steps.update(payload(step))
    assert [step.output for step in task.steps] == [b'"xxxxxx"', b"null", b"null"]


def test_inputs_are_bounded_and_freed_when_they_are_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(steps_module, "STEP_INPUTS_LIMIT", 12)
    task = a_task()
    steps = RunningSteps(task)
    for name, text in (("a", b'"xxxxxx"'), ("b", b'"xxxxxx"'), ("a", b"1"), ("b", b'"xxxxxx"')):
        steps.update(payload(Step(name, "f", input=text)))
    assert [step.input for step in task.steps] == [b"1", b'"xxxxxx"']
