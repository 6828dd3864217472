"""Admission: the check of a submission before its task queues."""

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from slotgrid.core.errors import (
    InvalidInput,
    InvalidSubmission,
    ModeUnsupported,
    NoWorker,
    Violation,
)
from slotgrid.core.fields import ANYWHERE, Webhook
from slotgrid.core.node_state import NodeStatus
from slotgrid.core.offer import Offer
from slotgrid.core.spec import FunctionSpec, unknown_function
from slotgrid.core.submission import Submission
from slotgrid.core.task import Task
from slotgrid.core.task_parts import API, Source


@dataclass(frozen=True, slots=True)
class CheckedInput:
    """An input that is valid for the function, with its defaults."""

    spec: FunctionSpec
    filled: Any

    @classmethod
    def of(cls, spec: FunctionSpec, given: Mapping[str, Any]) -> "CheckedInput":
        """Check an input. Raises InvalidInput with every violation."""
        return cls(spec, checked_input(spec, given))


class Admission:
    """Checks submissions against the offer of this node, and creates their tasks.

    `modes`: the modes that the node serves. `check_webhook` raises InvalidSubmission for a webhook
    that cannot be delivered. `has_share`: whether an owner has a share
    of the node.
    """

    def __init__(
        self,
        offer: Offer,
        status: NodeStatus,
        *,
        modes: Collection[str],
        check_webhook: Callable[[Webhook], None] = lambda _: None,
        has_share: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self._offer = offer
        self._status = status
        self._modes = frozenset(modes)
        self._check_webhook = check_webhook
        self.has_share = has_share

    def chosen(self, submission: Submission) -> FunctionSpec:
        """The function for the submission. Raises a ServiceError if there is none."""
        self._status.check_accepts()
        return self._offer.resolve(submission)

    def admit(
        self,
        submission: Submission,
        *,
        owner: str,
        source: Source = API,
        checked: CheckedInput | None = None,
    ) -> Task:
        """A new task in state queued. Raises a ServiceError if the submission is refused.

        `checked`: the input if it is already checked, off the event loop.
        """
        self._status.check_accepts()
        return self.admit_accepted(submission, owner=owner, source=source, checked=checked)

    def admit_accepted(
        self,
        submission: Submission,
        *,
        owner: str,
        source: Source,
        checked: CheckedInput | None = None,
    ) -> Task:
        """As `admit`, also in maintenance: for a part of work that was accepted before."""
        spec = self._offer.resolve(submission)
        self._check_mode(submission, spec)
        if spec.needs_slot:
            self._offer.check_place(submission, spec)
        else:
            _check_no_place(submission, spec)
        _check_timeout(submission, spec)
        if submission.webhook is not None:
            self._check_webhook(submission.webhook)
        return Task(
            submission,
            spec,
            owner=owner,
            source=source,
            has_share=self.has_share(owner),
            input=checked.filled
            if checked is not None and checked.spec is spec
            else checked_input(spec, submission.input),
        )

    async def admit_within(
        self,
        submission: Submission,
        *,
        owner: str,
        source: Source = API,
        checked: CheckedInput | None = None,
    ) -> Task:
        """As `admit`, but retry NoWorker while `may_return_s` is above 0, within `wait_s`.

        A broken link or a stalled process recovers within seconds, so the caller need not fail.
        """
        began = time.monotonic()
        while True:
            try:
                task = self.admit(submission, owner=owner, source=source, checked=checked)
            except NoWorker as refusal:
                left_s = refusal.may_return_s
                if submission.wait_s is not None:
                    left_s = min(left_s, began + submission.wait_s - time.monotonic())
                if left_s <= 0:
                    raise
                await self._offer.changed(left_s)
            else:
                task.queued_mono = began
                return task

    def readmit(self, submission: Submission, *, owner: str, source: Source, id: str) -> Task:  # noqa: A002
        """The task accepted earlier under that id, checked against the current function.

        Raises UnknownFunction, InvalidInput, or NoWorker while no worker offers the function.
        The node's state is not checked: the task is already accepted.
        """
        spec = self._offer.recorded(submission)
        return Task(
            submission,
            spec,
            owner=owner,
            source=source,
            input=checked_input(spec, submission.input),
            id=id,
        )

    def known(
        self, name: str, group: str | None = None, contract: int | None = None
    ) -> FunctionSpec | None:
        """The function of that name, if there is one."""
        return self._offer.catalog.find(name, group, contract)

    def modes(self, spec: FunctionSpec) -> tuple[str, ...]:
        """The modes in which this node runs the function."""
        return tuple(mode for mode in spec.modes if mode in self._modes)

    def function(
        self, name: str, group: str | None = None, contract: int | None = None
    ) -> FunctionSpec:
        """The function of that name. Raises UnknownFunction with the nearest names."""
        spec = self.known(name, group, contract)
        if spec is None:
            raise unknown_function(name, self._offer.catalog, group)
        return spec

    def _check_mode(self, submission: Submission, spec: FunctionSpec) -> None:
        mode = submission.mode
        if mode not in spec.modes:
            offered = self.modes(spec)
            but = "" if offered else ", which this node does not offer"
            raise ModeUnsupported(
                f'the function "{spec.name}" does not support mode {mode}; '
                f"it supports {', '.join(offered or spec.modes)}{but}"
            )
        if mode not in self._modes:
            raise ModeUnsupported(
                f"this node does not offer mode {mode}; it offers {', '.join(sorted(self._modes))}"
            )


def _check_no_place(submission: Submission, spec: FunctionSpec) -> None:
    if submission.place != ANYWHERE:
        message = f'does not go with the function "{spec.name}", which runs on no slot'
        raise InvalidSubmission(f"/place: {message}", errors=[Violation("/place", message)])


def _check_timeout(submission: Submission, spec: FunctionSpec) -> None:
    asked = submission.timeout_s
    if asked is not None and asked > spec.timeout_s:
        message = (
            f'must be at most {spec.timeout_s:g}, the ceiling of the function "{spec.name}", '
            f"got {asked:g}"
        )
        raise InvalidSubmission(f"/timeout_s: {message}", errors=[Violation("/timeout_s", message)])


def checked_input(spec: FunctionSpec, given: Mapping[str, Any]) -> Any:
    """The input with its defaults. Raises InvalidInput with every violation."""
    violations = [
        Violation(f"/input{violation.pointer}", violation.message)
        for violation in spec.input.violations(given)
    ]
    if violations:
        more = f" (and {len(violations) - 1} more)" if len(violations) > 1 else ""
        first = violations[0]
        raise InvalidInput(
            f"{spec.name}: {first.pointer}: {first.message}{more}", errors=violations
        )
    return spec.input.with_defaults(given)
