"""What a node can run, and where: a worker answers for itself, a balancer for its fleet."""

from collections.abc import Collection
from typing import Protocol

from slotgrid.core.errors import (
    ContractMismatch,
    InvalidSubmission,
    NoWorker,
    UnknownGroup,
    Violation,
)
from slotgrid.core.fields import ANYWHERE
from slotgrid.core.spec import Catalog, FunctionSpec, unknown_function
from slotgrid.core.submission import Submission


class Offer(Protocol):
    """What admission asks before it makes a task of a submission."""

    @property
    def catalog(self) -> Catalog:
        """The functions on offer."""

    def choose(self, submission: Submission) -> FunctionSpec:
        """The function that is asked for, in the group and contract that are meant.

        Raises UnknownGroup, ContractMismatch, UnknownFunction, or NoWorker when it cannot be
        told, or nobody is there to run it.
        """

    def recorded(self, submission: Submission) -> FunctionSpec:
        """The function of a task that was accepted before; it may have to wait for a worker.

        Raises UnknownFunction when it is gone, or NoWorker when that cannot be told yet.
        """

    def check_place(self, submission: Submission, spec: FunctionSpec) -> None:
        """Return if the task could run somewhere. Raises InvalidSubmission or NoWorker."""

    async def changed(self, within_s: float) -> None:
        """Return when something else is offered, or when the time is up."""


class LocalOffer:
    """What this worker offers. Fulfils `Offer`; what a submission omits means its own."""

    def __init__(
        self,
        catalog: Catalog,
        *,
        node: str,
        group: str,
        contract: int,
        pools: Collection[str],
        labels: Collection[tuple[str, str]],
    ) -> None:
        self.catalog = catalog
        self._node = node
        self._group = group
        self._contract = contract
        self._pools = frozenset(pools)
        self._labels = frozenset(labels)

    def choose(self, submission: Submission) -> FunctionSpec:
        """As `Offer.choose`."""
        if submission.group is not None and submission.group != self._group:
            raise UnknownGroup(
                f'this worker serves the group "{self._group}", not "{submission.group}"'
            )
        if submission.contract is not None and submission.contract != self._contract:
            raise ContractMismatch(
                f"the task asks for contract {submission.contract}, "
                f"this worker has contract {self._contract}"
            )
        return self.recorded(submission)

    def recorded(self, submission: Submission) -> FunctionSpec:
        """As `Offer.recorded`; the worker may serve another group or contract than it did."""
        spec = self.catalog.find(submission.function)
        if spec is None:
            raise unknown_function(submission.function, self.catalog)
        return spec

    async def changed(self, within_s: float) -> None:
        """As `Offer.changed`; a worker refuses nothing that a moment later it would take."""

    def check_place(self, submission: Submission, spec: FunctionSpec) -> None:
        """As `Offer.check_place`."""
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
