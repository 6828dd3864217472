"""The workers of one group and contract: their agreed functions and their free slots."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping

from balancer.fleet.contract_agreement import Agreement
from balancer.fleet.worker import Worker
from balancer.fleet.worker_ranking import Rank, rank
from balancer.fleet.worker_states import WorkerState

VOTERS = frozenset(WorkerState) - {WorkerState.DRAINING, WorkerState.LOST, WorkerState.REMOVED}


class WorkerGroup:
    """The workers of one group and contract."""

    def __init__(self, group: str, contract: int, *, chance: Callable[[], float]) -> None:
        self.group = group
        self.contract = contract
        self.workers: dict[str, Worker] = {}
        self.states: Counter[WorkerState] = Counter()
        self.agreement = Agreement()
        self._chance = chance
        self._free: dict[str, dict[Worker, Rank]] = {}

    @property
    def awaited(self) -> bool:
        """Whether tasks may wait for any of its workers."""
        return any(count and state.waited_for for state, count in self.states.items())

    @property
    def state_summary(self) -> str:
        """How many workers are in each state, in words."""
        return ", ".join(f"{count} {state}" for state, count in self.states.items() if count)

    def add(self, worker: Worker, now: float) -> None:
        """Add a worker."""
        self.workers[worker.name] = worker
        self.states[worker.state] += 1
        self.update(worker, now, offers_anew=True)

    def remove(self, worker: Worker, now: float) -> None:
        """Remove a worker, with its vote."""
        changed = self.agreement.leave(worker.name)
        del self.workers[worker.name]
        self.states[worker.state] -= 1
        worker.state = WorkerState.LOST
        self.recount(worker, worker.pools, now)
        if changed:
            self._review(now)

    def update(self, worker: Worker, now: float, *, offers_anew: bool = False) -> bool:
        """Update a changed worker; returns whether the fleet's offer has changed.

        A new state of a worker changes the offer: it decides the default contract.
        """
        before, agreed_anew = worker.state, False
        self._take_on(worker, now)
        voted, votes = before in VOTERS, worker.state in VOTERS
        if offers_anew or voted != votes:
            if votes:
                agreed_anew = self.agreement.vote(worker.name, worker.functions)
            else:
                agreed_anew = self.agreement.leave(worker.name)
            if agreed_anew:
                self._review(now)
            else:
                worker.objection = self.agreement.objection(worker.name)
                self._take_on(worker, now)
        return agreed_anew or worker.state is not before

    def free(self, pool: str) -> Mapping[Worker, Rank]:
        """The ready workers with a free slot in that pool, and their ranks."""
        return self._free.get(pool, {})

    def recount(self, worker: Worker, pools: Collection[str], now: float) -> None:
        """Rank the worker in those pools: only its free slots have changed."""
        for pool in pools:
            if free := worker.room(pool, now):
                self._free.setdefault(pool, {})[worker] = rank(
                    free=free,
                    size=worker.pools[pool],
                    weight=worker.weight,
                    system=worker.report.system,
                    chance=self._chance(),
                )
            elif pool in self._free:
                self._free[pool].pop(worker, None)

    def has_pool(self, pool: str) -> bool:
        """Whether any worker, whatever its state, has that pool."""
        return any(pool in worker.pools for worker in self.workers.values())

    def _take_on(self, worker: Worker, now: float) -> None:
        state = worker.current_state(now)
        if state is not worker.state:
            self.states[worker.state] -= 1
            self.states[state] += 1
            worker.state = state
        self.recount(worker, worker.pools, now)

    def _review(self, now: float) -> None:
        """Check every worker against the changed agreement."""
        for worker in self.workers.values():
            worker.objection = self.agreement.objection(worker.name)
            self._take_on(worker, now)
