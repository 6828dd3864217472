"""The workers of one group and contract: their agreed functions and their free slots."""

from collections import Counter, OrderedDict
from collections.abc import Callable, Collection

from balancer.fleet.contracts import Agreement
from balancer.fleet.routing import Needs, Ranking
from balancer.fleet.states import WorkerState
from balancer.fleet.workers import READY, Worker

SPECIAL_ROOMS_LIMIT = 64
"""Indexes cached for classes with labels or services. Callers choose labels freely; rebuilding an
evicted index costs a look at every worker."""
VOTERS = frozenset(WorkerState) - {WorkerState.DRAINING, WorkerState.LOST, WorkerState.REMOVED}


class Room:
    """Index of the ready workers that meet some needs: their slots, and a ranking by free slots.

    A worker whose free slots changed is ranked again at the next choice only: between two choices
    usually one slot is taken and another one returned.
    """

    def __init__(self, needs: Needs, chance: Callable[[], float]) -> None:
        self.needs = needs
        self.slots = 0
        self._sizes: dict[str, int] = {}
        self._free: dict[str, int] = {}
        self._changed: dict[str, Worker] = {}
        self._ranking: Ranking[Worker] = Ranking(chance)

    def refresh(self, worker: Worker, now: float) -> None:
        """Update the entry of the worker to its current state."""
        needs, name = self.needs, worker.name
        pool = needs.pool
        self._changed.pop(name, None)
        size = worker.pools.get(pool, 0) if meets(worker, needs) else 0
        if size != self._sizes.get(name, 0):
            self.slots += size - self._sizes.get(name, 0)
            self._sizes[name] = size
            if not size:
                del self._sizes[name]
        if size:
            self._rank(worker, worker.room(pool, now))
        else:
            self._free.pop(name, None)
            self._ranking.remove(name)

    def recount(self, worker: Worker) -> None:
        """Mark the worker for a new rank: only its free slots have changed."""
        self._changed[worker.name] = worker

    def first(self, now: float) -> Worker | None:
        """The worker for the next task; None if no worker has a free slot."""
        if self._changed:
            pool, free = self.needs.pool, self._free
            for name, worker in self._changed.items():
                known = free.get(name)
                if known is not None and known != (left := worker.room(pool, now)):
                    self._rank(worker, left)
            self._changed.clear()
        return self._ranking.first()

    def _rank(self, worker: Worker, free: int) -> None:
        name = worker.name
        self._free[name] = free
        if free:
            self._ranking.put(name, worker.rank(self.needs.pool, free), worker)
        else:
            self._ranking.remove(name)


def meets(worker: Worker, needs: Needs) -> bool:
    """Whether the worker is ready and meets the needs; does not check for a free slot."""
    return worker.state is READY and needs.met_by(worker.labels, worker.down)


class Members:
    """The workers of one group and contract."""

    def __init__(self, group: str, contract: int, *, chance: Callable[[], float]) -> None:
        self.group = group
        self.contract = contract
        self.workers: dict[str, Worker] = {}
        self.states: Counter[WorkerState] = Counter()
        self.agreement = Agreement()
        self._chance = chance
        self._plain: dict[str, Room] = {}
        self._special: OrderedDict[Needs, Room] = OrderedDict()

    @property
    def awaited(self) -> bool:
        """Whether tasks may wait for any of its workers."""
        return any(count and state.waited_for for state, count in self.states.items())

    @property
    def standing(self) -> str:
        """How many workers are in each state, in words."""
        return ", ".join(f"{count} {state}" for state, count in self.states.items() if count)

    def add(self, worker: Worker, now: float) -> None:
        """Add a worker."""
        self.workers[worker.name] = worker
        self.states[worker.state] += 1
        self.settle(worker, now, offers_anew=True)

    def remove(self, worker: Worker, now: float) -> None:
        """Remove a worker, with its vote."""
        changed = self.agreement.leave(worker.name)
        del self.workers[worker.name]
        self.states[worker.state] -= 1
        worker.state = WorkerState.LOST
        self._refresh(worker, now)
        if changed:
            self._review(now)

    def settle(self, worker: Worker, now: float, *, offers_anew: bool = False) -> bool:
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

    def recount(self, worker: Worker, pools: Collection[str]) -> None:
        """Mark the worker in the indexes of those pools: only its free slots have changed."""
        for pool in pools:
            if (room := self._plain.get(pool)) is not None:
                room.recount(worker)
        if self._special:
            for needs, room in self._special.items():
                if needs.pool in pools:
                    room.recount(worker)

    def have_pool(self, pool: str) -> bool:
        """Whether any worker, whatever its state, has that pool."""
        return any(pool in worker.pools for worker in self.workers.values())

    def plain_room(self, pool: str, now: float) -> Room:
        """The index for tasks that need that pool and nothing else."""
        room = self._plain.get(pool)
        if room is None:
            room = self._plain[pool] = self._new_room(Needs(pool), now)
        return room

    def special_room(self, needs: Needs, now: float) -> Room:
        """The index for tasks with other needs; the least recently used one is evicted."""
        room = self._special.get(needs)
        if room is None:
            room = self._special[needs] = self._new_room(needs, now)
            if len(self._special) > SPECIAL_ROOMS_LIMIT:
                self._special.popitem(last=False)
        self._special.move_to_end(needs)
        return room

    def _new_room(self, needs: Needs, now: float) -> Room:
        room = Room(needs, self._chance)
        for worker in self.workers.values():
            room.refresh(worker, now)
        return room

    def _refresh(self, worker: Worker, now: float) -> None:
        for room in (*self._plain.values(), *self._special.values()):
            room.refresh(worker, now)

    def _take_on(self, worker: Worker, now: float) -> None:
        state = worker.settled(now)
        if state is not worker.state:
            self.states[worker.state] -= 1
            self.states[state] += 1
            worker.state = state
        self._refresh(worker, now)

    def _review(self, now: float) -> None:
        """Check every worker against the changed agreement."""
        for worker in self.workers.values():
            worker.objection = self.agreement.objection(worker.name)
            self._take_on(worker, now)
