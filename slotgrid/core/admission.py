"""Whether a submission may become a task of this node; decided before anything queues."""

import difflib
from collections.abc import Callable, Collection, Mapping
from typing import Any

from slotgrid.core.errors import (
    ContractMismatch,
    InvalidInput,
    InvalidSubmission,
    ModeUnsupported,
    NoWorker,
    UnknownFunction,
    UnknownGroup,
    Violation,
)
from slotgrid.core.node import NodeStatus
from slotgrid.core.spec import Catalog, FunctionSpec
from slotgrid.core.submission import ANYWHERE, Submission, Webhook
from slotgrid.core.task import API, Source, Task


class Admission:
    """Checks submissions against what this node offers, and makes tasks of them.

    `labels` are this node's own; `modes` those that it can serve at all; `check_webhook` raises
    InvalidSubmission for a webhook that could never be delivered.
    """

    def __init__(
        self,
        catalog: Catalog,
        status: NodeStatus,
        *,
        node: str,
        group: str,
        contract: int,
        pools: Collection[str],
        labels: Collection[tuple[str, str]],
        modes: Collection[str],
        check_webhook: Callable[[Webhook], None] = lambda _: None,
    ) -> None:
        self._catalog = catalog
        self._status = status
        self._node = node
        self._group = group
        self._contract = contract
        self._pools = frozenset(pools)
        self._labels = frozenset(labels)
        self._modes = frozenset(modes)
        self._check_webhook = check_webhook

    def admit(self, submission: Submission, *, owner: str, source: Source = API) -> Task:
        """A new task in state queued, its defaults filled in. Raises the reason why not."""
        self._status.check_accepts()
        self._check_node(submission)
        spec = self.function(submission.function)
        self._check_mode(submission, spec)
        self._check_place(submission, spec)
        _check_timeout(submission, spec)
        if submission.webhook is not None:
            self._check_webhook(submission.webhook)
        return Task(
            submission,
            spec,
            owner=owner,
            source=source,
            input=checked_input(spec, submission.input),
        )

    def readmit(self, submission: Submission, *, owner: str, source: Source, id: str) -> Task:  # noqa: A002
        """The task that was accepted under that id, checked against the function as it is now.

        Raises UnknownFunction or InvalidInput. The node's state does not matter: it is ours.
        """
        spec = self.function(submission.function)
        return Task(
            submission,
            spec,
            owner=owner,
            source=source,
            input=checked_input(spec, submission.input),
            id=id,
        )

    def known(self, name: str) -> FunctionSpec | None:
        """The function of that name, if there is one."""
        return self._catalog.find(name)

    def modes(self, spec: FunctionSpec) -> tuple[str, ...]:
        """The modes in which this node runs the function."""
        return tuple(mode for mode in spec.modes if mode in self._modes)

    def function(self, name: str) -> FunctionSpec:
        """The function of that name. Raises UnknownFunction with the nearest names."""
        spec = self._catalog.find(name)
        if spec is None:
            raise unknown_function(name, self._catalog)
        return spec

    def _check_node(self, submission: Submission) -> None:
        if submission.group is not None and submission.group != self._group:
            raise UnknownGroup(
                f'this worker serves the group "{self._group}", not "{submission.group}"'
            )
        if submission.contract is not None and submission.contract != self._contract:
            raise ContractMismatch(
                f"the task asks for contract {submission.contract}, "
                f"this worker has contract {self._contract}"
            )

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

    def _check_place(self, submission: Submission, spec: FunctionSpec) -> None:
        place = submission.place
        if place is ANYWHERE and spec.pool in self._pools:
            return
        if place.pool is None and spec.pool not in self._pools:
            raise NoWorker(
                f'the function "{spec.name}" runs in the pool "{spec.pool}", '
                "which this worker lacks",
                reason="pool",
            )
        if place.pool is not None and place.pool not in self._pools:
            raise InvalidSubmission(
                f'/place/pool: there is no pool "{place.pool}"; '
                f"there are {', '.join(sorted(self._pools))}",
                errors=[Violation("/place/pool", f'there is no pool "{place.pool}"')],
            )
        if place.worker is not None and place.worker != self._node:
            raise NoWorker(
                f'the task asks for the worker "{place.worker}", this is "{self._node}"',
                reason="place",
            )
        missing = [
            f"{key}={value}" for key, value in place.labels if (key, value) not in self._labels
        ]
        if missing:
            raise NoWorker(
                f"the task asks for labels that this worker lacks: {', '.join(missing)}",
                reason="place",
            )


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
    filled = spec.input.with_defaults(given)
    violations = [
        Violation(f"/input{violation.pointer}", violation.message)
        for violation in spec.input.violations(filled)
    ]
    if violations:
        more = f" (and {len(violations) - 1} more)" if len(violations) > 1 else ""
        first = violations[0]
        raise InvalidInput(
            f"{spec.name}: {first.pointer}: {first.message}{more}", errors=violations
        )
    return filled


def unknown_function(name: str, catalog: Catalog) -> UnknownFunction:
    """The error for a name that is not there, with the nearest that are."""
    names = [spec.name for spec in catalog.specs()]
    # Comparing costs by length, and a name of megabytes is a typing error of nobody.
    near = difflib.get_close_matches(name[:200], names, n=3, cutoff=0.5)
    if not near:  # a path forgotten in front, or a part of the name
        near = [known for known in names if name and name.lower() in known.lower()][:3]
    hint = f"; did you mean {' or '.join(f'{n!r}' for n in near)}?" if near else ""
    return UnknownFunction(f"there is no function {name!r}{hint}", extra={"suggestions": near})
