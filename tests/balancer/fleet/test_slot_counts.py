"""Any order of messages: the slots that a fleet takes for free, against a truthful worker's."""

from collections import deque
from collections.abc import Callable
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from balancer.fleet.worker import Worker
from slotgrid.core.priority_queue import TaskClass
from slotgrid.core.slots import Slot, Slots
from slotgrid.wire.messages import Started
from tests.balancer.fleet.fakes import FakeFleet, hello, placed, report

SIZES = {"default": 1, "logins": 3}
NUMBERS = range(3)
ANY = placed(pool="logins")

numbers = st.sampled_from(NUMBERS)


def on(number: int) -> TaskClass:
    return placed(worker="w1", pool="logins", slot=number)


class SlotsAgainstTruth(RuleBasedStateMachine):
    """All tasks are the balancer's, and each is for one slot: none of them may be refused."""

    others = False

    def __init__(self) -> None:
        super().__init__()
        self.fleet = FakeFleet()
        self.slots = Slots(SIZES, worker="w1", persistent={"logins"})
        self.seq = 0
        self.down: deque[tuple[Slot, TaskClass]] = deque()
        self.up: deque[Callable[[], object]] = deque()
        self.running: list[tuple[Slot, Slot]] = []  # the right, and the worker's own slot
        self.direct: list[Slot] = []
        self.over: list[Slot] = []
        self.link = self.join()

    def join(self) -> Worker:
        said = report(0, self.slots.free, free_slots=self.slots.free_slots)
        greeting = hello("w1", said, pools=SIZES, isolation={"logins": "persistent"})
        return self.fleet.joined(greeting, [])

    def counts(self) -> dict[str, Any]:
        self.seq += 1
        return {
            "seq": self.seq,
            "free": self.slots.free,
            "free_slots": self.slots.free_slots,
        }

    def dispatch(self, cls: TaskClass) -> None:
        if self.fleet.can_serve(cls):
            self.down.append((self.fleet.take(cls), cls))

    @rule(number=numbers)
    def dispatch_to_a_slot(self, number: int) -> None:
        self.dispatch(on(number))

    @precondition(lambda self: self.others)
    @rule()
    def dispatch_to_any_slot(self) -> None:
        self.dispatch(ANY)

    @precondition(lambda self: self.others)
    @rule(number=st.one_of(st.none(), numbers))
    def a_direct_caller_comes(self, number: int | None) -> None:
        cls = ANY if number is None else on(number)
        if self.slots.can_serve(cls):
            self.direct.append(self.slots.take(cls))

    @rule()
    def a_direct_caller_leaves(self) -> None:
        if self.direct:
            self.slots.give_back(self.direct.pop(0))

    @rule()
    def receive(self) -> None:
        if not self.down:
            return
        right, cls = self.down.popleft()
        if self.slots.can_serve(cls):
            self.running.append((right, self.slots.take(cls)))
            started = Started(id="t", slot=0, **self.counts())
            self.up.append(lambda: self.fleet.started(right, started))
        else:
            assert self.others, "nobody else can have taken the slot"
            self.up.append(lambda: self.refused(right))

    @rule(which=st.integers(0, 2))
    def end(self, which: int) -> None:
        if which < len(self.running):
            right, slot = self.running.pop(which)
            self.slots.give_back(slot)
            ended = Started(id="t", slot=0, **self.counts())
            self.up.append(lambda: self.ended(right, ended))

    @rule()
    def report(self) -> None:
        counts = self.counts()
        said = report(counts["seq"], counts["free"], free_slots=counts["free_slots"])
        self.up.append(lambda: self.fleet.reported(self.link, said))

    @rule(most=st.integers(1, 5))
    def hear(self, most: int) -> None:
        for _ in range(min(most, len(self.up))):
            self.up.popleft()()

    def refused(self, right: Slot) -> None:
        self.fleet.refused(right, "busy")
        self.fleet.give_back(right)

    def ended(self, right: Slot, counts: Started) -> None:
        self.fleet.ended(right, counts)
        self.fleet.give_back(right)

    @invariant()
    def no_slot_is_promised_twice(self) -> None:
        sent = [cls.slot for _, cls in self.down if cls.slot is not None]
        assert len(set(sent)) == len(sent)
        assert not any(self.fleet.can_serve(on(number)) for number in sent)

    def teardown(self) -> None:
        """When everything was said and heard, the free slots are the worker's."""
        while self.down:
            self.receive()
        self.report()
        self.hear(len(self.up))
        free = [number for number in NUMBERS if self.fleet.can_serve(on(number))]
        assert free == list(self.slots.free_slots["logins"])
        assert self.link.unanswered == 0
        while self.running:
            self.end(0)
        self.hear(len(self.up))
        assert self.fleet.in_flight == 0


class SlotsWithOthers(SlotsAgainstTruth):
    """Direct callers and tasks without a slot take slots as well; the counts still come right."""

    others = True


STEPS: Any = settings(max_examples=80, stateful_step_count=60)
TestSlotsAgainstTruth = SlotsAgainstTruth.TestCase
TestSlotsAgainstTruth.settings = STEPS
TestSlotsWithOthers = SlotsWithOthers.TestCase
TestSlotsWithOthers.settings = STEPS
