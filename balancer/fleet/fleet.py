"""The fleet: the last report of each worker, and the tasks sent since. No I/O."""

import random
import time
from collections.abc import Callable, Collection, Iterable, Mapping

from balancer.fleet.ejection import Ejection
from balancer.fleet.expected_workers import ExpectedWorkers
from balancer.fleet.roster import Roster
from balancer.fleet.routing import Routing
from balancer.fleet.worker import Counts, Worker
from balancer.fleet.worker_states import WorkerState
from slotgrid.core.priority_queue import TaskClass
from slotgrid.core.slots import NoSlotFree, Slot
from slotgrid.core.spec import FunctionSpec
from slotgrid.wire.messages import Hello, Refusal, Report

REFUSALS_LIMIT = 10
"""Refusals in a row that count as a failure: the worker reports free slots but refuses tasks."""


class _Flight:
    """A task of this balancer that is at a worker, or about to be sent there."""

    __slots__ = ("answered", "pool", "slot", "worker")

    def __init__(self, worker: Worker, pool: str, slot: int | None) -> None:
        self.worker = worker
        self.pool = pool
        self.slot = slot
        self.answered = False


class Fleet:
    """The slots of all workers that this balancer knows. Implements core's `SlotSource`.

    A slot of the fleet is the right to send one task to one worker; its `index` numbers these
    rights, not the worker's slots. After a call that may have freed a slot the caller wakes the
    dispatcher, once per frame; the fleet itself calls no other part.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.roster = Roster(chance=chance)
        """The known workers, for queries; also core's `Catalog`."""
        self.expected = ExpectedWorkers(clock)
        """The workers that are still expected after a start."""
        self._clock = clock
        self._routing = Routing(self.roster)
        self._flights: dict[int, _Flight] = {}
        self._rights = 0

    # Calls from the links

    def expect(self, addresses: Collection[str]) -> None:
        """Replace the list of workers, by address.

        Workers of removed addresses get no new task; once their `Worker.flights` is 0, the link
        may be closed. Workers whose address is listed again get tasks again.
        """
        self.expected.expect(addresses)
        for worker in self.roster.workers():
            if worker.address is None:
                continue
            worker.removed = worker.address not in self.expected.listed
            if worker.removed and worker.left_at is not None:
                self.roster.forget(worker, self._clock())
            else:
                self._update(worker)

    def joined(
        self,
        hello: Hello,
        functions: Collection[FunctionSpec],
        *,
        address: str | None = None,
        weight: float = 1.0,
        labels: Collection[tuple[str, str]] = (),
    ) -> Worker:
        """Add the worker of an open link; replaces the record of an earlier link of that name.

        `address` is the listed one; None if the worker dialled in and is not listed. `labels`
        are added to its own. Workers with equal functions should share the objects in
        `functions`: each holds compiled schemas. The returned record identifies the link in all
        other calls: calls for a replaced link have no effect.
        """
        now = self._clock()
        before = self.roster.worker(hello.name)
        if before is not None:
            self.roster.forget(before, now)
        if address is not None:
            self.expected.arrived(address)
        worker = Worker(
            hello,
            functions,
            address=address,
            weight=weight,
            labels=labels,
            ejection=Ejection() if before is None else before.ejection,
            joined_at=now,
        )
        self.roster.add(worker, now)
        return worker

    def reported(self, worker: Worker, report: Report) -> None:
        """Apply a report; one older than the last count is ignored."""
        if self.roster.has(worker) and worker.apply_report(report, now=self._clock()):
            self._update(worker)

    def functions_changed(
        self, worker: Worker, functions: Collection[FunctionSpec], tags: Mapping[str, object]
    ) -> None:
        """Replace the worker's functions and tags, which changed while its link was open."""
        worker.functions, worker.tags = tuple(functions), dict(tags)
        self._update(worker, offers_anew=True)

    def tags_changed(
        self, worker: Worker, tags: Mapping[str, object], versions: Mapping[str, str | None]
    ) -> None:
        """Replace the worker's tags and versions."""
        worker.tags_changed(tags, versions)

    def adjust(
        self,
        worker: Worker,
        *,
        address: str,
        weight: float,
        labels: Collection[tuple[str, str]] = (),
    ) -> None:
        """Apply the list's entry: it has changed, or a worker that dialled in is a listed one."""
        worker.address = address
        self.expected.arrived(address)
        worker.weight, worker.labels = weight, worker.own_labels | frozenset(labels)
        self._update(worker)

    def draining(self, worker: Worker) -> None:
        """Mark the worker as draining: it gets no new task, whatever its later reports contain."""
        worker.draining = True
        self._update(worker)

    def disconnected(self, worker: Worker, *, may_return_s: float = 0.0) -> None:
        """Mark the worker as lost. The links end its calls, which return their slots as usual.

        A worker that is no longer listed is forgotten; a draining one is not, as it may be
        restarting. `may_return_s`: the link was not closed on purpose, so the worker may
        reconnect within that time.
        """
        if not self.roster.has(worker):
            return
        if worker.removed:
            self.roster.forget(worker, self._clock())
            return
        if worker.flights:
            self._failed(worker)
        if may_return_s:
            worker.may_return_until = self._clock() + may_return_s
        self.roster.lose(worker, self._clock())

    def will_not_return(self, worker: Worker) -> None:
        """Stop waiting for a lost worker to reconnect: its process has ended."""
        if worker.may_return_until is not None:
            worker.may_return_until = None
            self.roster.changed()

    def may_return_s(self, workers: Iterable[Worker]) -> float:
        """Seconds within which one of these lost workers may reconnect; 0 if none is expected."""
        until = max((worker.may_return_until or 0.0 for worker in workers), default=0.0)
        return max(0.0, until - self._clock())

    # Outcomes of tasks

    def started(self, slot: Slot, counts: Counts | None = None) -> bool:
        """The worker has started the task; its counts include it from now on.

        Returns whether the counts may contain other changes as well.
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
        """The worker refused the task: that pool gets no more tasks until the next count.

        If the one slot that the task asked for is busy, only that slot gets none.
        """
        if (flight := self._flights.get(slot.index)) is None:
            return
        worker = flight.worker
        worker.refusals += 1
        if why in {"function", "contract"} or worker.refusals >= REFUSALS_LIMIT:
            self._failed(worker)
        worker.draining = worker.draining or why == "draining"
        if counts is not None:
            worker.count(counts)
        # Whatever the counts: it would refuse the next task as well.
        worker.full(flight.pool, flight.slot if why == "busy" else None)
        self._answer(flight, None)
        self._update(worker)

    def ended(self, slot: Slot, counts: Counts | None = None, *, fault: bool = False) -> None:
        """The task has ended at the worker; `fault` if the worker's infrastructure failed it.

        Its slot becomes free when `counts` or a later report includes it, not before.
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
            self._update(worker)

    def target(self, slot: Slot) -> Worker | None:
        """The worker that the right is for; None if its record was replaced or forgotten."""
        flight = self._flights.get(slot.index)
        return flight.worker if flight is not None and self.roster.has(flight.worker) else None

    # SlotSource

    def can_serve(self, cls: TaskClass) -> bool:
        """Whether a worker has a free slot for a task of that class."""
        return self._routing.can_serve(cls)

    def take(self, cls: TaskClass) -> Slot:
        """The right to send a task of that class to the chosen worker. Raises NoSlotFree."""
        worker = self._routing.first(cls)
        if worker is None:
            raise NoSlotFree(cls.pool)
        self._rights += 1
        number = cls.place.slot
        self._flights[self._rights] = _Flight(worker, cls.pool, number)
        worker.sent(cls.pool, number)
        worker.flights += 1
        self.roster.members_of(worker).recount(worker, (cls.pool,), self._clock())
        return Slot(self._rights, cls.pool, worker.name, remote=True)

    def give_back(self, slot: Slot) -> None:
        """Return a right. Raises KeyError for one that was not taken.

        The holder keeps it until the worker has reported the task as ended or refused, or its
        link is down; a right that is returned before a task was sent frees its slot at once.
        """
        flight = self._flights.pop(slot.index)
        worker = flight.worker
        worker.flights -= 1
        if not flight.answered:
            self._answer(flight, None)
            self._recount(worker)
        elif not worker.flights and not worker.ejection.clear:
            self._update(worker)

    def size(self, cls: TaskClass) -> int:
        """How many slots of ready workers can run tasks of that class."""
        return self._routing.size(cls)

    def closed_by(self, cls: TaskClass) -> str | None:
        """Why no slot can run that class, in words; None if slots exist but all are busy."""
        return self._routing.closed_by(cls)

    def queue_limit(self, cls: TaskClass) -> int | None:
        """How many tasks may wait for the one slot that the class names; None without a limit."""
        if cls.slot is None or cls.place.worker is None:
            return None
        worker = self.roster.worker(cls.place.worker)
        return None if worker is None else worker.queue_limits.get(cls.pool)

    @property
    def in_flight(self) -> int:
        """How many rights are taken: equal to the dispatcher's leases, else there is a leak."""
        return len(self._flights)

    def _answer(self, flight: _Flight, counts: Counts | None) -> None:
        worker = flight.worker
        if not flight.answered:
            flight.answered = True
            worker.answered(flight.pool, flight.slot)
        if counts is not None:
            worker.count(counts)

    def _failed(self, worker: Worker) -> None:
        if not self.roster.has(worker):
            return
        # Eject at most half of them: if more fail, the workers are hardly the cause.
        states = self.roster.members_of(worker).states
        out, in_use = states[WorkerState.EJECTED], states[WorkerState.READY]
        worker.ejection.failed(self._clock(), may_eject=2 * (out + 1) <= in_use + out)

    def _recount(self, worker: Worker) -> None:
        """Rank it by its new counts; settle it if it is ejected or half-open."""
        if not worker.ejection.clear:
            self._update(worker)
        elif self.roster.has(worker):
            self.roster.members_of(worker).recount(worker, worker.pools, self._clock())

    def _update(self, worker: Worker, *, offers_anew: bool = False) -> None:
        if self.roster.has(worker):
            self.roster.update(worker, self._clock(), offers_anew=offers_anew)
