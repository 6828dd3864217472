"""Makes the tasks of a flow's steps, and of what follows its end."""

from collections.abc import Mapping
from typing import Any

from slotgrid.core.admission import Admission
from slotgrid.core.errors import FunctionFailed, InvalidSubmission, Violation
from slotgrid.core.fields import Mode
from slotgrid.core.submission import Submission
from slotgrid.core.task import Task
from slotgrid.core.task_parts import Source
from slotgrid.core.task_retry import StepRetry
from slotgrid.steps.model import Handler, Retry, Step

DEPTH_MOST = 5
"""Flows within each other, the outermost included."""


class ChildTasks:
    """Makes tasks for one flow: they have its owner, priority and metadata.

    Steps run in the flow's group and in the `contract` that was fixed at its start, unless they
    name a group. `depth` counts the flows around them.
    """

    def __init__(
        self, flow: Task, admission: Admission, *, contract: int | None, depth: int
    ) -> None:
        self._flow = flow
        self._admission = admission
        self._contract = contract
        self._depth = depth

    def of_step(self, step: Step, name: str, given: Any) -> Task:
        """The task of a step, or of its instance of that name, with its input.

        Raises a ServiceError if there is no such function, if it refuses the input, or NoWorker
        while no worker offers it.
        """
        assert step.function is not None
        if not isinstance(given, Mapping):
            message = f"must be an object, got {type(given).__name__}"
            raise InvalidSubmission(f"/input: {message}", errors=[Violation("/input", message)])
        task = self._task(step.function, step.group, given, timeout_s=step.timeout_s)
        if task.spec.kind == "flow" and self._depth >= DEPTH_MOST:
            raise FunctionFailed(
                f"the flow {step.function} would be flow {self._depth + 1} within each other; "
                f"{DEPTH_MOST} are possible"
            )
        task.parent, task.step = self._flow.id, name
        if step.retry is not None:
            task.retry = _retry(step.retry)
        return task

    def after(self, handler: Handler, given: Any) -> dict[str, Any]:
        """The submission of what `on_success`, `on_error` or `on_cancel` names."""
        return self._body(handler.function, handler.group, given)

    def _task(
        self, function: str, group: str | None, given: Any, *, timeout_s: float | None
    ) -> Task:
        body = self._body(function, group, given)
        if timeout_s is not None:
            body["timeout_s"] = timeout_s
        submission = Submission.parse(body, trace=self._flow.submission.trace)
        return self._admission.admit_accepted(
            submission, owner=self._flow.owner, source=Source("flow", self._flow.id)
        )

    def _body(self, function: str, group: str | None, given: Any) -> dict[str, Any]:
        flow = self._flow
        body: dict[str, Any] = {
            "function": function,
            "input": given,
            "mode": Mode.ASYNC.value,
            "priority": flow.submission.priority,
            "group": group or flow.spec.group,
        }
        if group in {None, flow.spec.group} and self._contract is not None:
            body["contract"] = self._contract
        if flow.submission.metadata:
            body["metadata"] = flow.submission.metadata
        return body


def _retry(retry: Retry) -> StepRetry:
    return StepRetry(
        attempts=retry.attempts,
        delay_s=retry.delay_s,
        factor=retry.factor if retry.exponential else 1.0,
        max_delay_s=retry.max_delay_s,
        jitter=retry.jitter,
    )
