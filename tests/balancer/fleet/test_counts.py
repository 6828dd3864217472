"""Any order of messages, losses and restarts: the fleet's counts against truthful workers."""

from collections import deque
from collections.abc import Callable
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from balancer.fleet.worker import Counts, Worker
from slotgrid.core.priority_queue import TaskClass
from slotgrid.core.slots import Slot
from slotgrid.wire.messages import Report
from tests.balancer.fleet.fakes import FakeFleet, counts, hello, report
from tests.slotgrid.core.fakes import PLAIN

POOLS = {"default": 3, "logins": 1}
CLASSES = {pool: TaskClass("default", 1, pool) for pool in POOLS}
NAMES = ("w1", "w2", "w3")

names = st.sampled_from(NAMES)
pools = st.sampled_from(sorted(POOLS))


class TrueWorker:
    """A worker and the link to it: what it says arrives in order, late, or never."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.boot = 0
        self.seq = 0
        self.running: dict[int, Slot] = {}
        self.cleaning: list[Slot] = []
        self.direct: list[str] = []
        self.link: Worker | None = None
        self.down: deque[Slot] = deque()  # tasks on their way to the worker
        self.up: deque[Callable[[], object]] = deque()  # what it said, on its way to the balancer

    def free(self, pool: str) -> int:
        used = [slot.pool for slot in [*self.running.values(), *self.cleaning]]
        return POOLS[pool] - used.count(pool) - self.direct.count(pool)

    def counts(self) -> Counts:
        self.seq += 1
        return counts(self.seq, self.all_free())

    def report(self) -> Report:
        self.seq += 1
        return report(self.seq, self.all_free())

    def all_free(self) -> dict[str, int]:
        return {pool: self.free(pool) for pool in POOLS}


class CountsAgainstTruth(RuleBasedStateMachine):
    """No one but the balancer uses the workers, so none of its tasks may ever be refused."""

    direct_callers = False

    def __init__(self) -> None:
        super().__init__()
        self.fleet = FakeFleet()
        self.workers = {name: TrueWorker(name) for name in NAMES}
        self.held: dict[int, Slot] = {}  # rights that are out
        self.over: dict[int, Slot] = {}  # those whose task is over, to be given back any time

    @initialize()
    def two_join(self) -> None:
        self.join("w1")
        self.join("w2")

    @rule(name=names)
    def join(self, name: str) -> None:
        worker = self.workers[name]
        if worker.link is not None:
            return
        worker.seq = 0
        said = hello(name, worker.report(), boot=str(worker.boot), pools=POOLS)
        worker.link = self.fleet.joined(said, [PLAIN])

    # The balancer

    @rule(pool=pools)
    def dispatch(self, pool: str) -> None:
        if self.fleet.can_serve(CLASSES[pool]):
            slot = self.fleet.take(CLASSES[pool])
            self.held[slot.index] = slot
            self.workers[slot.worker].down.append(slot)

    @rule(pool=pools)
    def change_ones_mind_before_anything_was_sent(self, pool: str) -> None:
        if self.fleet.can_serve(CLASSES[pool]):
            self.fleet.give_back(self.fleet.take(CLASSES[pool]))

    @precondition(lambda self: self.over)
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        index = data.draw(st.sampled_from(sorted(self.over)))
        self.fleet.give_back(self.over.pop(index))
        del self.held[index]

    # The workers

    @rule(name=names)
    def receive(self, name: str) -> None:
        worker = self.workers[name]
        if not worker.down:
            return
        slot = worker.down.popleft()
        if worker.free(slot.pool) > 0:
            worker.running[slot.index] = slot
            counts = worker.counts()
            worker.up.append(lambda: self.fleet.started(slot, counts))
        else:
            assert self.direct_callers, "a truthful worker that no one else uses had to refuse"
            worker.up.append(lambda: self._refused(slot))

    @rule(name=names, data=st.data(), cleans=st.booleans())
    def end(self, name: str, data: st.DataObject, cleans: bool) -> None:
        worker = self.workers[name]
        if not worker.running:
            return
        slot = worker.running.pop(data.draw(st.sampled_from(sorted(worker.running))))
        if cleans:
            worker.cleaning.append(slot)
        counts = worker.counts()
        worker.up.append(lambda: self._ended(slot, counts))

    @rule(name=names)
    def is_clean(self, name: str) -> None:
        if self.workers[name].cleaning:
            self.workers[name].cleaning.pop()
            self.report(name)

    @rule(name=names)
    def report(self, name: str) -> None:
        worker = self.workers[name]
        if (link := worker.link) is not None:
            said = worker.report()
            worker.up.append(lambda: self.fleet.reported(link, said))

    @rule(name=names, pool=pools, leaves=st.booleans())
    def direct_caller(self, name: str, pool: str, leaves: bool) -> None:
        worker = self.workers[name]
        if leaves and worker.direct:
            worker.direct.pop()
        elif self.direct_callers and worker.free(pool) > 0:
            worker.direct.append(pool)

    # The link

    @rule(name=names, most=st.integers(1, 5))
    def hear(self, name: str, most: int) -> None:
        up = self.workers[name].up
        for _ in range(min(most, len(up))):
            up.popleft()()

    @rule(name=names, restarts=st.booleans())
    def lose(self, name: str, restarts: bool) -> None:
        worker = self.workers[name]
        if worker.link is None:
            return
        self.fleet.disconnected(worker.link)
        worker.link = None
        worker.up.clear()
        worker.down.clear()
        self.over |= {index: slot for index, slot in self.held.items() if slot.worker == name}
        if restarts:
            worker.boot += 1
            worker.running.clear()
            worker.cleaning.clear()
            worker.direct.clear()

    @rule(name=names)
    def tasks_of_a_lost_link_are_cancelled(self, name: str) -> None:
        worker = self.workers[name]
        if worker.link is None:
            worker.running.clear()

    # What must hold

    @invariant()
    def no_right_is_lost(self) -> None:
        assert self.fleet.in_flight == len(self.held)
        flights = sum(worker.flights for worker in self.fleet.roster.workers())
        assert flights <= self.fleet.in_flight  # those of replaced links are counted with those

    @invariant()
    def no_more_is_handed_out_than_there_is(self) -> None:
        for worker in self.workers.values():
            for pool in POOLS:
                under_way = sum(slot.pool == pool for slot in worker.down)
                if worker.link is not None and not self.direct_callers:
                    room = worker.link.room(pool, self.fleet.clock())
                    assert room + under_way <= worker.free(pool)

    def teardown(self) -> None:
        """When everything was said and heard, the counts are those of the workers."""
        for name, worker in self.workers.items():
            while worker.down:
                self.receive(name)
            self.report(name)
            while worker.up:
                worker.up.popleft()()
            if worker.link is not None:
                for pool in POOLS:
                    assert worker.link.free[pool] == worker.free(pool)
                    assert worker.link.room(pool, self.fleet.clock()) == worker.free(pool)
                assert worker.link.unanswered == 0
        for slot in self.held.values():
            self.fleet.give_back(slot)
        assert self.fleet.in_flight == 0
        assert all(worker.flights == 0 for worker in self.fleet.roster.workers())

    def _refused(self, slot: Slot) -> None:
        self.fleet.refused(slot, "busy")
        self.over[slot.index] = slot

    def _ended(self, slot: Slot, counts: Counts) -> None:
        self.fleet.ended(slot, counts)
        if slot.index in self.held:
            self.over[slot.index] = slot


class CountsWithDirectCallers(CountsAgainstTruth):
    """Others take slots as well, so tasks are refused; the counts still come right."""

    direct_callers = True


STEPS: Any = settings(max_examples=80, stateful_step_count=60)
TestCountsAgainstTruth = CountsAgainstTruth.TestCase
TestCountsAgainstTruth.settings = STEPS
TestCountsWithDirectCallers = CountsWithDirectCallers.TestCase
TestCountsWithDirectCallers.settings = STEPS
