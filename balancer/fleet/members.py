"""The workers that serve one group under one contract: what they offer, and where room is."""

from collections import Counter, OrderedDict
from collections.abc import Callable, Collection

from balancer.fleet.contracts import Agreement
from balancer.fleet.routing import Needs, Ranking
from balancer.fleet.states import WorkerState
from balancer.fleet.workers import READY, Worker

SPECIAL_ROOMS_LIMIT = 64
"""Indexes kept for classes with labels or services. Callers name labels as they please; one that
was dropped is made anew, at the cost of a look at every worker."""
VOTERS = frozenset(WorkerState) - {WorkerState.DRAINING, WorkerState.LOST, WorkerState.REMOVED}


class Room:
    """The ready workers that meet some needs: how many slots they have, and who has room.

    Whose free slots have changed is ranked anew when the next choice is made: between two choices
    a slot is usually taken and another comes back.
    """

    def __init__(self, needs: Needs, chance: Callable[[], float]) -> None:
        self.needs = needs
        self.slots = 0
        self._sizes: dict[str, int] = {}
        self._free: dict[str, int] = {}
        self._changed: dict[str, Worker] = {}
        self._ranking: Ranking[Worker] = Ranking(chance)

    def refresh(self, worker: Worker, now: float) -> None:
        """Take the worker as it stands now."""
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
        """The worker's free slots have changed, and nothing else about it."""
        self._changed[worker.name] = worker

    def first(self, now: float) -> Worker | None:
        """The worker that gets the next task; None when none has room."""
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
    """Whether the worker is ready and will do, were a slot free."""
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
        """Whether tasks may wait for any of them."""
        return any(count and state.waited_for for state, count in self.states.items())

    @property
    def standing(self) -> str:
        """How many are in which state, in words."""
        return ", ".join(f"{count} {state}" for state, count in self.states.items() if count)

    def add(self, worker: Worker, now: float) -> None:
        """A worker joins."""
        self.workers[worker.name] = worker
        self.states[worker.state] += 1
        self.settle(worker, now, offers_anew=True)

    def remove(self, worker: Worker, now: float) -> None:
        """A worker is forgotten."""
        changed = self.agreement.leave(worker.name)
        del self.workers[worker.name]
        self.states[worker.state] -= 1
        worker.state = WorkerState.LOST
        self._refresh(worker, now)
        if changed:
            self._review(now)

    def settle(self, worker: Worker, now: float, *, offers_anew: bool = False) -> bool:
        """Something about the worker has changed; whether that changes what is offered.

        A worker's state does: it decides which contract is meant where none is named.
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
        """How much is free in those pools of the worker has changed, and nothing else."""
        for pool in pools:
            if (room := self._plain.get(pool)) is not None:
                room.recount(worker)
        if self._special:
            for needs, room in self._special.items():
                if needs.pool in pools:
                    room.recount(worker)

    def have_pool(self, pool: str) -> bool:
        """Whether any of them, whatever its state, has that pool."""
        return any(pool in worker.pools for worker in self.workers.values())

    def plain_room(self, pool: str, now: float) -> Room:
        """Where there is room in that pool, for tasks that need nothing else."""
        room = self._plain.get(pool)
        if room is None:
            room = self._plain[pool] = self._new_room(Needs(pool), now)
        return room

    def special_room(self, needs: Needs, now: float) -> Room:
        """Where there is room for tasks that need certain labels or services."""
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
        """What is agreed has changed, so who keeps to it may have."""
        for worker in self.workers.values():
            worker.objection = self.agreement.objection(worker.name)
            self._take_on(worker, now)
