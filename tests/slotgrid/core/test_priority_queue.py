import math
import weakref
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from slotgrid.core.priority_queue import Entry, TaskClass, TaskQueue, arrival_of, queue_key

AGEING_S = 30
CLASSES = [TaskClass("default", 1, "default", gate=gate) for gate in (None, "a", "b", "c")]
ANYTHING = CLASSES[0]

classes = st.sampled_from(CLASSES)
priorities = st.integers(1, 9)
arrivals = st.integers(0, 1000)  # whole seconds: keys are then exact, and often equal


def make_queue(limit: int = 1000) -> TaskQueue[Any]:
    return TaskQueue(limit=limit, ageing_s=AGEING_S)


def pop_all(queue: TaskQueue[Any], among: set[TaskClass] | None = None) -> list[Entry[Any]]:
    popped = []
    while (entry := queue.pop(lambda cls: among is None or cls in among)) is not None:
        popped.append(entry)
    return popped


def asked_by(queue: TaskQueue[Any]) -> list[TaskClass]:
    """The classes about which a pop asks when none can be served."""
    asked: list[TaskClass] = []

    def no(cls: TaskClass) -> bool:
        asked.append(cls)
        return False

    assert queue.pop(no) is None
    return asked


@given(arrivals, priorities)
def test_a_key_gives_the_arrival_back(arrival: int, priority: int) -> None:
    key = queue_key(arrival, priority, AGEING_S)
    assert key == arrival + (priority - 1) * AGEING_S
    assert arrival_of(key, priority, AGEING_S) == arrival


@given(st.lists(st.tuples(classes, priorities, arrivals, st.booleans())), st.sets(classes))
def test_entries_leave_in_the_order_of_key_and_sequence_among_the_classes_that_can_be_served(
    pushed: list[tuple[TaskClass, int, int, bool]], servable: set[TaskClass]
) -> None:
    queue = make_queue()
    entries = [queue.push(c, n, priority=p, arrival=a) for n, (c, p, a, _) in enumerate(pushed)]
    for entry, (_, _, _, removed) in zip(entries, pushed, strict=True):
        assert not removed or queue.remove(entry)
    stay = [n for n, (_, _, _, removed) in enumerate(pushed) if not removed]
    expected = sorted(
        (pushed[n][2] + (pushed[n][1] - 1) * AGEING_S, n) for n in stay if pushed[n][0] in servable
    )
    assert [entry.item for entry in pop_all(queue, servable)] == [n for _, n in expected]
    assert {entry.item for entry in queue.entries()} == set(stay) - {n for _, n in expected}


@given(st.lists(classes), priorities)
def test_within_a_priority_who_came_first_goes_first(
    pushed: list[TaskClass], priority: int
) -> None:
    queue = make_queue()
    for number, cls in enumerate(pushed):
        queue.push(cls, number, priority=priority, arrival=number)
    assert [entry.item for entry in pop_all(queue)] == list(range(len(pushed)))


@given(
    st.lists(
        st.one_of(st.none(), st.tuples(classes, priorities, st.integers(0, 2 * AGEING_S))),
        max_size=80,
    )
)
def test_nobody_is_overtaken_by_what_arrives_more_than_eight_ageings_later(
    story: list[tuple[TaskClass, int, int] | None],
) -> None:
    queue, now = make_queue(), 0
    for happening in story:
        if happening is not None:
            cls, priority, later = happening
            now += later
            queue.push(cls, now, priority=priority, arrival=now)
        elif (entry := queue.pop(lambda _: True)) is not None:
            longest_waiting = min((other.item for other in queue.entries()), default=now)
            assert entry.item - longest_waiting <= 8 * AGEING_S


def test_the_highest_priority_waits_for_the_lowest_only_when_that_came_eight_ageings_before() -> (
    None
):
    queue = make_queue()
    queue.push(ANYTHING, "old and low", priority=9, arrival=0)
    queue.push(ANYTHING, "within the bound", priority=1, arrival=8 * AGEING_S - 1)
    queue.push(ANYTHING, "beyond the bound", priority=1, arrival=8 * AGEING_S + 1)
    assert [entry.item for entry in pop_all(queue)] == [
        "within the bound",
        "old and low",
        "beyond the bound",
    ]


def test_an_entry_of_a_class_that_cannot_be_served_holds_up_no_other() -> None:
    queue = make_queue()
    blocked, free = CLASSES[1], CLASSES[2]
    queue.push(blocked, "first", priority=1, arrival=0)
    queue.push(free, "second", priority=9, arrival=500)
    popped = queue.pop(lambda cls: cls == free)
    assert popped is not None
    assert popped.item == "second"
    assert queue.pop(lambda cls: cls == free) is None
    assert len(queue) == 1


def test_what_comes_back_with_its_first_arrival_returns_to_its_own_place() -> None:
    queue = make_queue()
    for arrival in (1, 2, 3):
        queue.push(ANYTHING, arrival, priority=5, arrival=arrival)
    first = queue.pop(lambda _: True)
    assert first is not None
    queue.push(ANYTHING, first.item, priority=5, arrival=first.item)
    assert [entry.item for entry in pop_all(queue)] == [1, 2, 3]


def test_position_counts_those_before_it_in_the_same_pool() -> None:
    queue = make_queue()
    other_pool = TaskClass("default", 1, "other")
    queue.push(other_pool, "elsewhere", priority=1, arrival=0)
    queue.push(CLASSES[1], "gated", priority=5, arrival=1)
    entry = queue.push(ANYTHING, "mine", priority=5, arrival=2)
    queue.push(ANYTHING, "behind", priority=5, arrival=3)
    urgent = queue.push(ANYTHING, "urgent", priority=1, arrival=4)
    assert queue.position(entry) == 3
    queue.remove(urgent)
    assert queue.position(entry) == 2
    queue.remove(entry)
    assert queue.position(entry) == 0


def test_positions_are_counted_apart_for_each_group_and_contract() -> None:
    queue = make_queue()
    queue.push(ANYTHING._replace(group="shop"), "shop", priority=1, arrival=0)
    queue.push(ANYTHING._replace(contract=2), "newer", priority=1, arrival=0)
    assert queue.position(queue.push(ANYTHING, "mine", priority=5, arrival=1)) == 1


def test_a_class_that_is_classified_anew_keeps_its_order_and_forgets_who_left() -> None:
    queue = make_queue()
    old, new = ANYTHING, ANYTHING._replace(contract=2)
    queue.push(new, 2, priority=5, arrival=2)
    entries = [queue.push(old, arrival, priority=5, arrival=arrival) for arrival in (1, 3, 4)]
    queue.remove(entries[1])
    queue.reclassify(old, lambda _: new)
    assert queue.classes() == [new]
    assert [entry.item for entry in pop_all(queue)] == [1, 2, 4]
    assert len(queue) == 0
    queue.reclassify(old, lambda _: new)
    assert queue.classes() == []


def test_the_queue_is_full_at_its_limit_and_a_removal_makes_room() -> None:
    queue = make_queue(limit=2)
    entries = [queue.push(ANYTHING, n, priority=5, arrival=n) for n in range(2)]
    assert [queue.full, queue.remove(entries[0]), queue.full] == [True, True, False]
    assert not queue.remove(entries[0])


class Item:
    """Something that a test can see go."""


def test_those_who_remain_after_many_have_left_keep_their_order_and_the_others_are_forgotten() -> (
    None
):
    queue, kept = make_queue(), weakref.WeakSet[Item]()

    def push(number: int) -> Entry[Any]:
        item = Item()
        kept.add(item)
        arrival = number * 7919 % 1009  # a different one each, in no order
        return queue.push(ANYTHING, item, priority=5, arrival=arrival)

    stay, leave = [push(n) for n in range(50)], [push(n) for n in range(50, 1000)]
    while leave:
        assert queue.remove(leave.pop())
    assert len(kept) <= 2 * len(stay) + 32
    assert pop_all(queue) == sorted(stay)


def test_a_class_that_everybody_has_left_is_no_longer_asked_about() -> None:
    queue = make_queue()
    leavers = [queue.push(CLASSES[1], n, priority=5, arrival=n) for n in range(10)]
    others = [queue.push(ANYTHING, n, priority=5, arrival=n) for n in range(40)]
    for entry in leavers + others[:35]:
        assert queue.remove(entry)
    assert asked_by(queue) == [ANYTHING]
    assert [entry.item for entry in pop_all(queue)] == [35, 36, 37, 38, 39]


class QueueAgainstModel(RuleBasedStateMachine):
    """Push, remove and pop in any order; the model is a plain list that is searched."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = make_queue()
        self.model: list[Entry[Any]] = []
        self.gone: list[Entry[Any]] = []

    @rule(cls=classes, priority=priorities, arrival=arrivals)
    def push(self, cls: TaskClass, priority: int, arrival: int) -> None:
        entry = self.queue.push(cls, None, priority=priority, arrival=arrival)
        assert entry.key == arrival + (priority - 1) * AGEING_S
        self.model.append(entry)

    @rule(cls=classes, arrival=arrivals)
    def push_many(self, cls: TaskClass, arrival: int) -> None:
        self.model += [
            self.queue.push(cls, None, priority=5, arrival=arrival + n) for n in range(20)
        ]

    @precondition(lambda self: self.model)
    @rule(data=st.data(), share=st.sampled_from([1, 40]))
    def remove(self, data: st.DataObject, share: int) -> None:
        for _ in range(min(share, len(self.model))):
            entry = self.model.pop(data.draw(st.integers(0, len(self.model) - 1)))
            assert self.queue.remove(entry)
            self.gone.append(entry)

    @precondition(lambda self: self.gone)
    @rule(data=st.data())
    def remove_again(self, data: st.DataObject) -> None:
        assert not self.queue.remove(data.draw(st.sampled_from(self.gone)))

    @rule(servable=st.sets(classes))
    def pop(self, servable: set[TaskClass]) -> None:
        expected = min((entry for entry in self.model if entry.cls in servable), default=None)
        assert self.queue.pop(servable.__contains__) is expected
        if expected is not None:
            self.model.remove(expected)
            self.gone.append(expected)

    @invariant()
    def agrees_with_the_model(self) -> None:
        assert len(self.queue) == len(self.model)
        assert {id(entry) for entry in self.queue.entries()} == {id(e) for e in self.model}
        waiting = {entry.cls for entry in self.model}
        assert set(self.queue.classes()) == waiting
        assert {cls for cls in CLASSES if self.queue.waits(cls)} == waiting


TestQueueAgainstModel = QueueAgainstModel.TestCase
TestQueueAgainstModel.settings = settings(max_examples=40, stateful_step_count=30)


class Counted(float):
    """An arrival that counts how often it is compared."""

    comparisons = 0

    def __add__(self, other: float) -> "Counted":
        return Counted(float(self) + other)

    def __eq__(self, other: object) -> bool:
        Counted.comparisons += 1
        return float(self) == other

    def __lt__(self, other: float) -> bool:
        Counted.comparisons += 1
        return float(self) < other

    __hash__ = float.__hash__


def comparisons_of_a_pop(waiting: int) -> float:
    """The mean over 100 pops, each followed by a push, with so many waiting in one class."""
    queue = make_queue(limit=waiting)
    for number in range(waiting):
        queue.push(ANYTHING, None, priority=5, arrival=Counted(number))
    Counted.comparisons = 0
    for number in range(100):
        assert queue.pop(lambda _: True) is not None
        queue.push(ANYTHING, None, priority=5, arrival=Counted(waiting + number))
    return Counted.comparisons / 100


def test_a_decision_costs_the_logarithm_of_what_waits() -> None:
    few, many = comparisons_of_a_pop(100), comparisons_of_a_pop(10_000)
    assert few > 0
    # The logarithm doubles from 100 to 10,000; anything linear would be a hundred times as much.
    assert many <= 3 * few
    assert many <= 6 * math.log2(10_000)


def test_a_decision_asks_each_waiting_class_at_most_once_however_many_wait_in_it() -> None:
    queue = make_queue(limit=10_000)
    for number in range(10_000):
        queue.push(CLASSES[number % 4], None, priority=5, arrival=number)
    assert sorted(asked_by(queue), key=str) == sorted(CLASSES, key=str)


def test_removing_everybody_costs_a_constant_each() -> None:
    queue = make_queue(limit=10_000)
    entries = [queue.push(ANYTHING, None, priority=5, arrival=Counted(n)) for n in range(10_000)]
    Counted.comparisons = 0
    for entry in reversed(entries):
        assert queue.remove(entry)
    assert Counted.comparisons <= 10 * len(entries)
    assert queue.classes() == []
