"""What the fleet can run, and where: the balancer's part in the admission of a task."""

from collections.abc import Awaitable, Callable, Iterator

from balancer.fleet.catalog import BalancerCatalog
from balancer.fleet.fleet import Fleet
from balancer.fleet.roster import DEFAULT_GROUP
from balancer.fleet.worker import READY, Worker
from balancer.fleet.worker_group import WorkerGroup
from slotgrid.core.admission import checked_input
from slotgrid.core.errors import (
    InvalidInput,
    InvalidSubmission,
    NoWorker,
    ServiceError,
    UnknownGroup,
    Violation,
)
from slotgrid.core.fields import Place
from slotgrid.core.offer import check_slot
from slotgrid.core.spec import FunctionSpec, unknown_function
from slotgrid.core.submission import Submission
from slotgrid.core.task import Task

RETRY_AFTER_S = 5
"""A worker restarts in about that time."""


class FleetOffer:
    """What the balancer and the workers of its fleet offer. Implements core's `Offer`.

    An omitted group means `default`, an omitted contract the newest with a ready worker. A function
    that no worker has is unknown (404) once every listed worker has reported; a group or contract
    without workers only after workers that dial in had time to reconnect as well. Until then, and
    while all its workers are away, the error is NoWorker (503). Tasks wait for workers that are
    busy or in maintenance.
    """

    def __init__(
        self,
        fleet: Fleet,
        catalog: BalancerCatalog,
        *,
        wait_for_change: Callable[[float], Awaitable[None]],
    ) -> None:
        self.catalog = catalog
        self._fleet = fleet
        self._roster = fleet.roster
        self._wait_for_change = wait_for_change

    def resolve(self, submission: Submission) -> FunctionSpec:
        """As `Offer.resolve`."""
        own = self.catalog.find_own(submission.function, submission.group, submission.contract)
        if own is not None:
            return own
        if self.catalog.own_fault_of(submission.function):
            offered = self._roster.find(submission.function, submission.group, submission.contract)
            if offered is None:
                raise unknown_function(submission.function, self.catalog, submission.group)
        members = self._members(submission)
        spec = members.agreement.functions.get(submission.function)
        if spec is None:
            error = unknown_function(submission.function, self.catalog, members.group)
            # A worker of that group and contract that dials in later has the same functions.
            raise self._unknown(error, f'the function "{submission.function}"', may_return=False)
        if not members.states[READY] and not members.awaited:
            raise NoWorker(
                f'no worker of group "{members.group}", contract {members.contract} is ready: '
                f"{members.state_summary}",
                reason="lost",
                retry_after_s=RETRY_AFTER_S,
                may_return_s=self._fleet.may_return_s(members.workers.values()),
            )
        return spec

    async def changed(self, within_s: float) -> None:
        """As `Offer.changed`."""
        await self._wait_for_change(within_s)

    def recorded(self, submission: Submission) -> FunctionSpec:
        """As `Offer.recorded`. An accepted task waits until a worker has its function."""
        spec = self.catalog.find(submission.function, submission.group, submission.contract)
        if spec is None:
            raise NoWorker(
                f'no worker has the function "{submission.function}" yet',
                reason="function",
                retry_after_s=RETRY_AFTER_S,
            )
        return spec

    def check_place(self, submission: Submission, spec: FunctionSpec) -> None:
        """As `Offer.check_place`: one worker must fit, even if it is in maintenance now."""
        place, pool = submission.place, submission.place.pool or spec.pool
        members = self._roster.members(spec.group, spec.contract)
        assert members is not None, "the function was found there"
        if place.slot is not None and place.worker is None:
            message = "is required by slot: a slot is of one worker"
            raise InvalidSubmission(
                f"/place/worker: {message}", errors=[Violation("/place/worker", message)]
            )
        for worker in _matching(members, pool, place):
            if worker.state.waited_for:
                if place.slot is not None:
                    _check_slot(worker, pool, place.slot)
                return  # the first one found will do: there may be a thousand
        if not members.has_pool(pool):
            raise self._no_such_pool(place, pool, members)
        raise NoWorker(
            f'no live worker of group "{spec.group}", contract {spec.contract} matches the '
            f"task's place: {_in_words(pool, place)}",
            reason="place",
            retry_after_s=RETRY_AFTER_S,
            may_return_s=self._fleet.may_return_s(_matching(members, pool, place)),
        )

    def resolve_again(self, task: Task) -> None:
        """Give a waiting task the function as it is offered now, if the input fits.

        For tasks that no slot can run, for example after a fleet update: a task that named no
        contract moves to the newest; within its contract the function may have another pool.
        """
        submission = task.submission
        spec = self._roster.find(submission.function, submission.group, submission.contract)
        if spec is None or spec is task.spec:
            return
        try:
            checked = checked_input(spec, submission.input)
        except InvalidInput:
            return  # keeps waiting for the version that its input fits
        task.spec, task.input = spec, checked

    def _members(self, submission: Submission) -> WorkerGroup:
        group = submission.group or DEFAULT_GROUP
        members = self._roster.members(group, submission.contract)
        if members is not None:
            return members
        groups = self.catalog.groups()
        contracts = groups.get(group)
        if contracts is None:
            known = ", ".join(f'"{name}"' for name in groups)
            error = UnknownGroup(f'no worker serves the group "{group}"; there are {known}')
            raise self._unknown(error, f'the group "{group}"')
        if submission.contract in {None, *contracts}:  # only own functions have it
            unknown = unknown_function(submission.function, self.catalog, group)
            raise self._unknown(unknown, f'the function "{submission.function}"')
        there = ", ".join(map(str, contracts))
        error = UnknownGroup(
            f'no worker serves the group "{group}" under contract {submission.contract}; '
            f"there are {there}"
        )
        raise self._unknown(error, f'contract {submission.contract} of the group "{group}"')

    def _unknown(self, error: ServiceError, what: str, *, may_return: bool = True) -> ServiceError:
        """The error for what no worker has: `error` once all workers have reported, else NoWorker.

        `may_return`: whether a worker that is about to dial in could have it.
        """
        if unheard := self._fleet.expected.unheard:
            why = f"{len(unheard)} listed workers have not reported yet"
        elif not self._roster.version:
            why = "no worker has joined yet"
        elif may_return and self._fleet.expected.returning:
            why = "this balancer has just started, and more workers may dial in"
        else:
            return error
        return NoWorker(
            f"no known worker has {what}; {why}",
            reason="unheard",
            retry_after_s=RETRY_AFTER_S,
        )

    def _no_such_pool(self, place: Place, pool: str, members: WorkerGroup) -> ServiceError:
        known = ", ".join(
            sorted({pool for worker in members.workers.values() for pool in worker.pools})
        )
        if place.pool is None or self._fleet.expected.unheard or self._fleet.expected.returning:
            return NoWorker(
                f'no worker of group "{members.group}" has the pool "{pool}"; there are {known}',
                reason="pool",
                retry_after_s=RETRY_AFTER_S,
            )
        message = f'there is no pool "{pool}"; there are {known}'
        return InvalidSubmission(
            f"/place/pool: {message}", errors=[Violation("/place/pool", message)]
        )


def _matching(members: WorkerGroup, pool: str, place: Place) -> Iterator[Worker]:
    """The workers that have the pool and match the place, whatever their state."""
    for worker in members.workers.values():
        if (
            place.worker in {None, worker.name}
            and pool in worker.pools
            and all(label in worker.labels for label in place.labels)
        ):
            yield worker


def _check_slot(worker: Worker, pool: str, slot: int) -> None:
    """Check that the worker takes tasks for that slot. Raises InvalidSubmission or NoWorker."""
    if not worker.knows_slots:
        raise NoWorker(
            f'the worker "{worker.name}" is too old to run a task on one slot of its choice: '
            f"it speaks protocol {worker.protocol}, and slots need 1.4",
            reason="protocol",
        )
    check_slot(
        pool,
        slot,
        size=worker.pools[pool],
        persistent=pool in worker.persistent,
        worker=worker.name,
    )


def _in_words(pool: str, place: Place) -> str:
    worker = [] if place.worker is None else [f'worker "{place.worker}"']
    slot = [] if place.slot is None else [f"slot {place.slot}"]
    labels = [f"{key}={value}" for key, value in place.labels]
    return ", ".join([*worker, f'pool "{pool}"', *slot, *labels])
