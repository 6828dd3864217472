"""The fleet: the last report of each worker, and what was sent since. No I/O."""

import random
import time
from collections.abc import Callable, Collection, Iterable, Mapping

from balancer.fleet.choice import Choice
from balancer.fleet.ejection import Ejection
from balancer.fleet.expected import Expected
from balancer.fleet.roster import Roster
from balancer.fleet.states import Counts, Hello, Refusal, Report, WorkerState
from balancer.fleet.workers import Worker
from slotgrid.core.queue import TaskClass
from slotgrid.core.slots import NoSlotFree, Slot
from slotgrid.core.spec import FunctionSpec

REFUSALS_LIMIT = 10
"""So many refusals in a row from a worker that counts free slots are a failure of it."""


class _Flight:
    """A task of ours at a worker, or on its way there."""

    __slots__ = ("answered", "pool", "worker")

    def __init__(self, worker: Worker, pool: str) -> None:
        self.worker = worker
        self.pool = pool
        self.answered = False


class Fleet:
    """The slots of all workers that this balancer knows. Fulfils core's `SlotSource`.

    A slot of the fleet is the right to send one task to one worker; its `index` numbers these
    rights, and is no place on the worker. After a call that may have made room the caller wakes
    the dispatcher (once for all that one frame brought); the fleet calls nobody.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.roster = Roster(chance=chance)
        """Who is there: to look at, and core's `Catalog`."""
        self.expected = Expected(clock)
        """Who is still to come."""
        self._clock = clock
        self._choice = Choice(self.roster, clock)
        self._flights: dict[int, _Flight] = {}
        self._rights = 0
        self._chosen: tuple[TaskClass, Worker] | None = None
        """What `can_serve` found, for the `take` that follows; none once anything has changed."""

    # What the links tell

    def expect(self, addresses: Collection[str]) -> None:
        """The list of workers is this from now on, by address.

        Workers of addresses that are gone get no new task: `Worker.flights` tells when their
        link may be closed. Those whose address is back are taken on again.
        """
        self._chosen = None
        self.expected.expect(addresses)
        for worker in self.roster.workers():
            if worker.address is None:
                continue
            worker.removed = worker.address not in self.expected.listed
            if worker.removed and worker.left_at is not None:
                self.roster.forget(worker, self._clock())
            else:
                self._settle(worker)

    def joined(
        self,
        hello: Hello,
        *,
        address: str | None = None,
        weight: float = 1.0,
        labels: Collection[tuple[str, str]] = (),
    ) -> Worker:
        """A link is open. What is known of an earlier one of that name is replaced.

        `address` is the listed one; None when the worker dialled in and is not listed. `labels`
        are added to its own. The record returned names the link in all other calls: those made
        for a link that was replaced do nothing.
        """
        self._chosen = None
        now = self._clock()
        before = self.roster.worker(hello.name)
        if before is not None:
            self.roster.forget(before, now)
        if address is not None:
            self.expected.heard(address)
        worker = Worker(
            hello,
            address=address,
            weight=weight,
            labels=labels,
            ejection=Ejection() if before is None else before.ejection,
            joined_at=now,
        )
        self.roster.add(worker, now)
        return worker

    def reported(self, worker: Worker, report: Report) -> None:
        """A report has come; one older than what is known is ignored."""
        if self.roster.has(worker) and worker.heard(report, now=self._clock()):
            self._settle(worker)

    def offers(
        self, worker: Worker, functions: Collection[FunctionSpec], tags: Mapping[str, object]
    ) -> None:
        """The worker's functions or tags have changed while its link stayed open."""
        worker.functions, worker.tags = tuple(functions), dict(tags)
        self._settle(worker, offers_anew=True)

    def tagged(
        self, worker: Worker, tags: Mapping[str, object], versions: Mapping[str, str]
    ) -> None:
        """The worker's tags or versions have changed."""
        worker.tags, worker.versions = dict(tags), dict(versions)

    def adjust(
        self,
        worker: Worker,
        *,
        address: str,
        weight: float,
        labels: Collection[tuple[str, str]] = (),
    ) -> None:
        """What the list says of the worker has changed, or it turned out to be a listed one."""
        worker.address = address
        self.expected.heard(address)
        worker.weight, worker.labels = weight, worker.own_labels | frozenset(labels)
        self._settle(worker)

    def drains(self, worker: Worker) -> None:
        """The worker is draining: it gets no new task, whatever its reports still say."""
        worker.draining = True
        self._settle(worker)

    def left(self, worker: Worker, *, may_return_s: float = 0.0) -> None:
        """The link is down. Whoever has tasks there ends them; their slots come back as ever.

        One that is no longer listed is forgotten. One that was draining may be restarting.
        `may_return_s`: nobody closed the link on purpose, so it may be made again within that
        time.
        """
        if not self.roster.has(worker):
            return
        self._chosen = None
        if worker.removed:
            self.roster.forget(worker, self._clock())
            return
        if worker.flights:
            self._failed(worker)
        if may_return_s:
            worker.may_return_until = self._clock() + may_return_s
        self.roster.lose(worker, self._clock())

    def will_not_return(self, worker: Worker) -> None:
        """Its lost link will not be made again in time: its process has ended."""
        if worker.may_return_until is not None:
            worker.may_return_until = None
            self.roster.changed()

    def may_return_s(self, workers: Iterable[Worker]) -> float:
        """Seconds within which one of these lost workers may be back; 0 when none is expected."""
        until = max((worker.may_return_until or 0.0 for worker in workers), default=0.0)
        return max(0.0, until - self._clock())

    # What becomes of tasks

    def started(self, slot: Slot, counts: Counts | None = None) -> bool:
        """The worker has started the task; its counts include it from now on.

        Returns whether anything else may have changed with it.
        """
        if (flight := self._flights.get(slot.index)) is None:
            return False
        worker = flight.worker
        worker.refusals = 0
        expected = (
            counts is not None and not flight.answered and worker.expects(flight.pool, counts)
        )
        self._answer(flight, counts)
        if not expected:
            self._recount(worker)
        return not expected

    def refused(self, slot: Slot, why: Refusal, counts: Counts | None = None) -> None:
        """The worker has not started the task: nothing more is sent there until it counts anew."""
        if (flight := self._flights.get(slot.index)) is None:
            return
        worker = flight.worker
        worker.refusals += 1
        if why in {Refusal.FUNCTION, Refusal.CONTRACT} or worker.refusals >= REFUSALS_LIMIT:
            self._failed(worker)
        worker.draining = worker.draining or why is Refusal.DRAINING
        if counts is not None:
            worker.count(counts)
        worker.full(flight.pool)  # whatever it counts: it would refuse the next one as well
        self._answer(flight, None)
        self._settle(worker)

    def ended(self, slot: Slot, counts: Counts | None = None, *, fault: bool = False) -> None:
        """The task has ended at the worker; `fault` when the worker's own means failed it.

        Its slot is free when `counts` or a later report say so, not before.
        """
        if (flight := self._flights.get(slot.index)) is None:
            return
        worker, ejection = flight.worker, flight.worker.ejection
        only_counts = ejection.clear and not fault
        if fault:
            self._failed(worker)
        else:
            ejection.succeeded(self._clock())
        self._answer(flight, counts)
        if only_counts:
            self._recount(worker)
        else:
            self._settle(worker)

    def target(self, slot: Slot) -> Worker | None:
        """The worker that a task may be sent to by that right; None when its link is another."""
        flight = self._flights.get(slot.index)
        return flight.worker if flight is not None and self.roster.has(flight.worker) else None

    # SlotSource

    def can_serve(self, cls: TaskClass) -> bool:
        """Whether a worker has room for a task of that class."""
        worker = self._choice.first(cls)
        self._chosen = None if worker is None else (cls, worker)
        return worker is not None

    def take(self, cls: TaskClass) -> Slot:
        """The right to send a task of that class to the worker chosen. Raises NoSlotFree."""
        chosen, self._chosen = self._chosen, None
        worker = chosen[1] if chosen is not None and chosen[0] == cls else self._choice.first(cls)
        if worker is None:
            raise NoSlotFree(cls.pool)
        self._rights += 1
        self._flights[self._rights] = _Flight(worker, cls.pool)
        worker.sent(cls.pool)
        worker.flights += 1
        self.roster.members_of(worker).recount(worker, (cls.pool,))
        return Slot(self._rights, cls.pool, worker.name, remote=True)

    def give_back(self, slot: Slot) -> None:
        """Return a right. Raises KeyError for one that was not taken.

        It must be held until the worker has answered that the task ended or was refused, or its
        link is down; a right that is returned before anything was sent frees its slot at once.
        """
        flight = self._flights.pop(slot.index)
        worker = flight.worker
        worker.flights -= 1
        if not flight.answered:
            self._answer(flight, None)
            self._recount(worker)
        elif not worker.flights and not worker.ejection.clear:
            self._settle(worker)

    def size(self, cls: TaskClass) -> int:
        """How many slots of ready workers tasks of that class could use."""
        return self._choice.size(cls)

    def closed_by(self, cls: TaskClass) -> str | None:
        """Why no slot is handed out to that class, in words; None when all are busy."""
        return self._choice.closed_by(cls)

    @property
    def in_flight(self) -> int:
        """How many rights are out: as many as the dispatcher's leases, or something leaks."""
        return len(self._flights)

    def _answer(self, flight: _Flight, counts: Counts | None) -> None:
        worker = flight.worker
        if not flight.answered:
            flight.answered = True
            worker.answered(flight.pool)
        if counts is not None:
            worker.count(counts)

    def _failed(self, worker: Worker) -> None:
        if not self.roster.has(worker):
            return
        # Half of them at most: when more fail, the fault is hardly theirs.
        states = self.roster.members_of(worker).states
        out, in_use = states[WorkerState.EJECTED], states[WorkerState.READY]
        worker.ejection.failed(self._clock(), may_eject=2 * (out + 1) <= in_use + out)

    def _recount(self, worker: Worker) -> None:
        """Its counts have changed: nothing else, unless something is held against it."""
        self._chosen = None
        if not worker.ejection.clear:
            self._settle(worker)
        elif self.roster.has(worker):
            self.roster.members_of(worker).recount(worker, worker.pools)

    def _settle(self, worker: Worker, *, offers_anew: bool = False) -> None:
        self._chosen = None
        if self.roster.has(worker):
            self.roster.settle(worker, self._clock(), offers_anew=offers_anew)
