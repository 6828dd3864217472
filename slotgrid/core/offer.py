"""The offer: what a node can run and where. A worker offers itself, a balancer its fleet."""

from collections.abc import Collection, Mapping
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
    """The functions and places of a node, which admission checks a submission against."""

    @property
    def catalog(self) -> Catalog:
        """The functions on offer."""

    def resolve(self, submission: Submission) -> FunctionSpec:
        """The function for the submission; the node chooses an omitted group and contract.

        Raises UnknownGroup, ContractMismatch, UnknownFunction, or NoWorker if no worker can run
        it now, or workers that may offer it have not connected yet.
        """

    def recorded(self, submission: Submission) -> FunctionSpec:
        """The function of a task that was accepted before, even if no worker for it is ready.

        Raises UnknownFunction if it was removed, or NoWorker if no worker offers it yet.
        """

    def check_place(self, submission: Submission, spec: FunctionSpec) -> None:
        """Return if the task could run somewhere. Raises InvalidSubmission or NoWorker."""

    async def changed(self, within_s: float) -> None:
        """Wait until the offer changes, at most `within_s` seconds."""


class LocalOffer:
    """The offer of this worker. Fulfils `Offer`; its own group and contract are the defaults.

    `pools` are sizes; tasks may ask for a slot of the `persistent` ones by its number.
    """

    def __init__(
        self,
        catalog: Catalog,
        *,
        node: str,
        group: str,
        contract: int,
        pools: Mapping[str, int],
        labels: Collection[tuple[str, str]],
        persistent: Collection[str] = (),
    ) -> None:
        self.catalog = catalog
        self._node = node
        self._group = group
        self._contract = contract
        self._pools = dict(pools)
        self._persistent = frozenset(persistent)
        self._labels = frozenset(labels)

    def resolve(self, submission: Submission) -> FunctionSpec:
        """As `Offer.resolve`."""
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
        """As `Offer.recorded`; group and contract are ignored, as the worker's may have changed."""
        spec = self.catalog.find(submission.function)
        if spec is None:
            raise unknown_function(submission.function, self.catalog)
        return spec

    async def changed(self, within_s: float) -> None:
        """As `Offer.changed`; returns at once, as a worker's refusals are not temporary."""

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
        if place.slot is not None and place.pool is not None:
            check_slot(
                place.pool,
                place.slot,
                size=self._pools[place.pool],
                persistent=place.pool in self._persistent,
            )
        if place.pool is not None:
            check_isolation(spec, place.pool, persistent=place.pool in self._persistent)
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


def check_slot(pool: str, slot: int, *, size: int, persistent: bool, worker: str = "") -> None:
    """Check that the pool, of that `worker` if one is named, has a slot of that number.

    Raises InvalidSubmission.
    """
    where = f'the pool "{pool}"' + (f' of the worker "{worker}"' if worker else "")
    if not persistent:
        message = f"{where} is not persistent, so slot {slot} of it cannot be chosen"
    elif slot >= size:
        numbers = "0" if size == 1 else f"0 to {size - 1}"
        message = f"{where} has no slot {slot}, only {numbers}" if size else f"{where} has no slots"
    else:
        return
    raise InvalidSubmission(f"/place/slot: {message}", errors=[Violation("/place/slot", message)])


def check_isolation(spec: FunctionSpec, pool: str, *, persistent: bool) -> None:
    """Check that the pool gives what the function states. Raises InvalidSubmission."""
    stated, given = spec.stated_isolation, "persistent" if persistent else "context"
    if stated is not None and stated != given:
        message = (
            f'the function "{spec.name}" states the isolation {stated}, '
            f'but the pool "{pool}" is of isolation {given}'
        )
        raise InvalidSubmission(
            f"/place/pool: {message}", errors=[Violation("/place/pool", message)]
        )
