"""One worker as this balancer sees it: its last report, and the tasks sent since."""

from collections import Counter
from collections.abc import Collection, Mapping

from balancer.fleet.ejection import Ejection
from balancer.fleet.worker_states import WorkerState
from slotgrid.core.slots import PERSISTENT
from slotgrid.core.spec import FunctionSpec
from slotgrid.wire.encoding import knows
from slotgrid.wire.message_parts import BrokenInfo
from slotgrid.wire.messages import Done, Failed, Hello, Report, Started

READY = WorkerState.READY
"""A constant for speed: Python 3.11 is slow to look up a member of an enum."""
Counts = Report | Started | Done | Failed
"""The messages with a count of free slots (`free`, by pool), which includes every started task.

`seq` grows with each count of one link, so that a late count is recognized.
"""


class Worker:
    """One boot of a worker over one link. Only the fleet changes it; other parts read it.

    Free slots are the worker's last count minus the sent tasks that it has not answered: each
    count takes every task that the worker has started into account.
    """

    def __init__(
        self,
        hello: Hello,
        functions: Collection[FunctionSpec],
        *,
        address: str | None,
        weight: float,
        labels: Collection[tuple[str, str]],
        ejection: Ejection,
        joined_at: float,
    ) -> None:
        self.name = hello.name
        self.boot = hello.boot
        self.group = hello.group
        self.contract = hello.contract
        self.pools = dict(hello.pools)
        self.isolation = dict(hello.isolation)
        """What its pools give their tasks, by pool; without those of which it says nothing."""
        self.persistent = frozenset(
            pool for pool in self.pools if self.isolation.get(pool) == PERSISTENT
        )
        self.queue_limits = dict(hello.queue_limits)
        """How many tasks may wait for one slot of a persistent pool, by pool."""
        self.protocol = hello.protocol
        self.knows_slots = knows(hello.protocol, 4)
        """Whether it numbers the slots of each pool, and takes tasks for one of them."""
        self.functions: tuple[FunctionSpec, ...] = tuple(functions)
        self.version = hello.version
        self.broken_changed(hello.broken)
        self.tags_changed(hello.tags, hello.versions)
        self.own_labels = frozenset(hello.labels.items())
        self.labels = self.own_labels | frozenset(labels)
        self.address = address
        self.weight = weight
        self.ejection = ejection
        self.joined_at = joined_at
        self.report = hello.report
        self.reported_at = joined_at
        self.left_at: float | None = None
        self.may_return_until: float | None = None
        """Until when it may reconnect; None while its link is up, or if it will not reconnect."""
        self.objection: str | None = None
        """How its functions differ from those of its contract, in words."""
        self.removed = False
        self.draining = False
        self.state = WorkerState.STARTING
        """Set by the fleet after each event; a change by time alone appears at the next report."""
        self.flights = 0
        """Rights of this balancer for this worker that are taken and not yet returned."""
        self.refusals = 0
        """Refusals in a row."""
        self._seq = -1
        self._free: dict[str, int] = {}
        self._free_slots: dict[str, set[int]] = {pool: set() for pool in self.persistent}
        self._unanswered: dict[str, int] = {}
        self._awaited_slots: Counter[tuple[str, int]] = Counter()
        self.down: frozenset[str] = frozenset()
        self.apply_report(hello.report, now=joined_at)

    def broken_changed(self, files: Collection[BrokenInfo]) -> None:
        """Replace the faults of its broken files, by the name that their functions would have."""
        self.broken = {file.path.rpartition(".")[0]: file.error for file in files}

    def tags_changed(self, tags: Mapping[str, object], versions: Mapping[str, str | None]) -> None:
        """Replace its tags and versions; unknown versions are omitted."""
        self.tags = dict(tags)
        self.versions = {name: text for name, text in versions.items() if text is not None}

    def apply_report(self, report: Report, *, now: float) -> bool:
        """Apply a report; returns False if it is older than the last count."""
        if report.seq <= self._seq:
            return False
        self.report = report
        self.reported_at = now
        self.draining = self.draining or report.status == "draining"
        self.down = frozenset(name for name, up in report.services.items() if not up)
        self.count(report)
        return True

    def count(self, counts: Counts) -> None:
        """Apply a count of free slots, if it is newer."""
        if counts.seq > self._seq:
            self._seq = counts.seq
            self._free = dict(counts.free)
            if self.persistent:
                self._free_slots = {
                    pool: set(counts.free_slots.get(pool, ())) for pool in self.persistent
                }

    def sent(self, pool: str, slot: int | None = None) -> None:
        """A task is sent: until the answer it takes a slot that the counts still show as free.

        `slot` is the number of the only slot that it can run on.
        """
        self._unanswered[pool] = self._unanswered.get(pool, 0) + 1
        if slot is not None:
            self._awaited_slots[pool, slot] += 1

    def answered(self, pool: str, slot: int | None = None) -> None:
        """A sent task is in the worker's counts from now on, or never started there."""
        self._unanswered[pool] -= 1
        if slot is not None:
            self._awaited_slots[pool, slot] -= 1

    def expects(self, pool: str, counts: Counts) -> bool:
        """Whether the counts of a started task differ from the last ones by its slot only."""
        known = self._free.get(pool, 0)
        if counts.seq <= self._seq or known > self.pools.get(pool, 0):
            return False
        if self.persistent and not self._frees_none(counts):
            return False
        return {**self._free, pool: known - 1} == counts.free

    def _frees_none(self, counts: Counts) -> bool:
        """Whether every slot that is free by the counts was free by the last ones."""
        return all(
            free.issuperset(counts.free_slots.get(pool, ()))
            for pool, free in self._free_slots.items()
        )

    def full(self, pool: str, slot: int | None = None) -> None:
        """The worker refused a task: assume no free slot in that pool until the next count.

        If the task asked for one `slot`, only that one is assumed to be taken.
        """
        if slot is None:
            self._free[pool] = 0
        else:
            self._free_slots[pool].discard(slot)

    def room(self, pool: str, now: float) -> int:
        """How many tasks of that pool can be sent now."""
        if self.state is not READY or self.report.held is not None:
            return 0
        # The pool sizes of its hello are the limit, whatever its later counts.
        free = min(self._free.get(pool, 0), self.pools.get(pool, 0))
        free -= self._unanswered.get(pool, 0)
        if free <= 0 or (self.flights and self.ejection.half_open(now)):
            return 0
        return free

    def has_slot(self, pool: str, slot: int) -> bool:
        """Whether a task may ask for that slot of that pool, free or busy."""
        return self.knows_slots and pool in self.persistent and slot < self.pools[pool]

    def slot_is_free(self, pool: str, slot: int) -> bool:
        """Whether a task can be sent to that slot now, if the pool has room."""
        return (
            self.has_slot(pool, slot)
            and slot in self._free_slots[pool]
            and not self._awaited_slots[pool, slot]
        )

    def number_in_pool(self, pool: str, slot: int) -> int:
        """The number of a slot in its pool, from a number over all pools.

        Workers before 1.4 report the latter.
        """
        for other, size in self.pools.items():
            if other == pool:
                break
            slot -= size
        return slot

    def meets(self, labels: Collection[tuple[str, str]], services: Collection[str]) -> bool:
        """Whether it has those labels, and none of those services is down."""
        return self.labels.issuperset(labels) and self.down.isdisjoint(services)

    def current_state(self, now: float) -> WorkerState:
        """The state that follows from all known facts."""
        if self.left_at is not None:
            return WorkerState.LOST
        if self.removed:
            return WorkerState.REMOVED
        if self.draining:
            return WorkerState.DRAINING
        if self.objection is not None:
            return WorkerState.MISMATCH
        state = WorkerState(self.report.status)
        if state is WorkerState.READY and self.ejection.out(now):
            return WorkerState.EJECTED
        return state

    @property
    def free(self) -> Mapping[str, int]:
        """Free slots in each pool, by its last count."""
        return self._free

    @property
    def free_slots(self) -> Mapping[str, Collection[int]]:
        """The numbers of the free slots in each persistent pool, by its last count."""
        return self._free_slots

    @property
    def unanswered(self) -> int:
        """How many sent tasks it has not answered."""
        return sum(self._unanswered.values())
