"""One worker as this balancer knows it: what it said last, and what it was sent since."""

from collections.abc import Collection, Mapping

from balancer.fleet.ejection import Ejection
from balancer.fleet.routing import Rank, rank
from balancer.fleet.states import Counts, Hello, Report, WorkerState
from slotgrid.core.node import NodeState
from slotgrid.core.spec import FunctionSpec

READY = WorkerState.READY
"""By a name of its own, since Python 3.11 is slow to look up a member of an enum."""
_BY_STATUS: Mapping[NodeState, WorkerState] = {
    NodeState.STARTING: WorkerState.STARTING,
    NodeState.READY: WorkerState.READY,
    NodeState.MAINTENANCE: WorkerState.MAINTENANCE,
    NodeState.DRAINING: WorkerState.DRAINING,
}


class Worker:
    """One boot of a worker over one link. Only the fleet changes it; the rest of us read.

    A slot counts as free when the worker said so and nothing was sent that it has not answered:
    each count that it gives includes every task that it has started.
    """

    def __init__(
        self,
        hello: Hello,
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
        self.functions: tuple[FunctionSpec, ...] = tuple(hello.functions)
        self.version = hello.version
        self.versions = dict(hello.versions)
        self.tags = dict(hello.tags)
        self.own_labels = frozenset(hello.labels)
        self.labels = self.own_labels | frozenset(labels)
        self.address = address
        self.weight = weight
        self.ejection = ejection
        self.joined_at = joined_at
        self.report = hello.report
        self.reported_at = joined_at
        self.left_at: float | None = None
        self.may_return_until: float | None = None
        """Until when its lost link may be made again; None while it is up, or when it will not."""
        self.objection: str | None = None
        """How its functions differ from those of its contract, in words."""
        self.removed = False
        self.draining = False
        self.state = WorkerState.STARTING
        """Set by the fleet after each event; time alone changes it with the next report."""
        self.flights = 0
        """Tasks of this balancer that are there or on their way, leases still out included."""
        self.refusals = 0
        """Refusals in a row."""
        self._seq = -1
        self._free: dict[str, int] = {}
        self._unanswered: dict[str, int] = {}
        self._down: frozenset[str] = frozenset()
        self.heard(hello.report, now=joined_at)

    def heard(self, report: Report, *, now: float) -> bool:
        """The worker reported; False for one that is older than what is known."""
        if report.counts.seq <= self._seq:
            return False
        self.report = report
        self.reported_at = now
        self.draining = self.draining or report.status is NodeState.DRAINING
        self._down = frozenset(name for name, up in report.services.items() if not up)
        self.count(report.counts)
        return True

    def count(self, counts: Counts) -> None:
        """Believe a newer count of free slots."""
        if counts.seq > self._seq:
            self._seq = counts.seq
            self._free = dict(counts.free)

    def sent(self, pool: str) -> None:
        """A task goes there: until it is answered it takes a slot that no count includes."""
        self._unanswered[pool] = self._unanswered.get(pool, 0) + 1

    def answered(self, pool: str) -> None:
        """A task that was sent is in the worker's counts from now on, or never was there."""
        self._unanswered[pool] -= 1

    def expects(self, pool: str, counts: Counts) -> bool:
        """Whether the counts of a task that has started tell of its slot and nothing else new."""
        known = self._free.get(pool, 0)
        if counts.seq <= self._seq or known > self.pools.get(pool, 0):
            return False
        return {**self._free, pool: known - 1} == counts.free

    def full(self, pool: str) -> None:
        """It refused: believe in no free slot there until it counts anew."""
        self._free[pool] = 0

    def room(self, pool: str, now: float) -> int:
        """How many tasks of that pool can be sent now."""
        if self.state is not READY or self.report.held is not None:
            return 0
        # It has no more slots than it said at first, whatever is counted later.
        free = min(self._free.get(pool, 0), self.pools.get(pool, 0))
        free -= self._unanswered.get(pool, 0)
        if free <= 0 or (self.flights and self.ejection.half_open(now)):
            return 0
        return free

    def rank(self, pool: str, free: int) -> Rank:
        """Its place among those with room in that pool."""
        load = max(self.report.cpu_percent, self.report.memory_percent) / 100
        return rank(free=free, size=self.pools[pool], weight=self.weight, load=load)

    def settled(self, now: float) -> WorkerState:
        """How it stands by all that is known."""
        if self.left_at is not None:
            return WorkerState.LOST
        if self.removed:
            return WorkerState.REMOVED
        if self.draining:
            return WorkerState.DRAINING
        if self.objection is not None:
            return WorkerState.MISMATCH
        state = _BY_STATUS[self.report.status]
        if state is WorkerState.READY and self.ejection.out(now):
            return WorkerState.EJECTED
        return state

    @property
    def down(self) -> frozenset[str]:
        """Its services that are down."""
        return self._down

    @property
    def free(self) -> Mapping[str, int]:
        """What it last said of each pool."""
        return self._free

    @property
    def unanswered(self) -> int:
        """How many tasks it was sent that it has not answered."""
        return sum(self._unanswered.values())
