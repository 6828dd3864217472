import pytest
from hypothesis import given
from hypothesis import strategies as st

from slotgrid.core.priority_queue import TaskClass
from slotgrid.core.slots import NoSlotFree, PoolCount, Slot, Slots

DEFAULT = TaskClass("default", 1, "default")
LOGINS = TaskClass("default", 1, "logins")
NOWHERE = TaskClass("default", 1, "nowhere")


def test_slots_are_numbered_over_all_pools_and_counted_for_each() -> None:
    slots = Slots({"default": 2, "logins": 1}, worker="w1")
    assert slots.total == 3
    assert (slots.size(DEFAULT), slots.size(LOGINS)) == (2, 1)
    taken = slots.take(LOGINS)
    assert taken == Slot(2, "logins", "w1")
    assert slots.used == 1
    assert slots.pools == {"default": PoolCount(2, 2, 0), "logins": PoolCount(1, 0, 1)}
    assert slots.can_serve(DEFAULT)
    assert not slots.can_serve(LOGINS)
    slots.give_back(taken)
    assert slots.used == 0


def test_the_slot_used_last_is_used_next() -> None:
    slots = Slots({"default": 3}, worker="w1")
    first, second = slots.take(DEFAULT), slots.take(DEFAULT)
    slots.give_back(first)
    slots.give_back(second)
    assert slots.take(DEFAULT) == second


def test_a_pool_that_does_not_exist_has_no_slots() -> None:
    slots = Slots({"default": 1}, worker="w1")
    assert slots.size(NOWHERE) == 0
    assert not slots.can_serve(NOWHERE)
    with pytest.raises(NoSlotFree):
        slots.take(NOWHERE)


def test_while_slots_are_held_none_is_handed_out_and_those_taken_come_back() -> None:
    slots = Slots({"default": 2}, worker="w1")
    taken = slots.take(DEFAULT)
    assert slots.closed_by(DEFAULT) is None
    slots.held = "memory is short"
    assert slots.closed_by(DEFAULT) == "memory is short"
    with pytest.raises(NoSlotFree):
        slots.take(DEFAULT)
    slots.give_back(taken)
    assert slots.used == 0
    slots.held = None
    assert slots.can_serve(DEFAULT)


def test_a_slot_cannot_be_given_back_twice() -> None:
    slots = Slots({"default": 1}, worker="w1")
    taken = slots.take(DEFAULT)
    slots.give_back(taken)
    with pytest.raises(KeyError):
        slots.give_back(taken)
    assert slots.pools["default"].free == 1


@given(st.lists(st.sampled_from([DEFAULT, LOGINS, None]), max_size=40))
def test_no_slot_is_ever_in_two_hands(story: list[TaskClass | None]) -> None:
    slots = Slots({"default": 3, "logins": 2}, worker="w1")
    taken: list[Slot] = []
    for cls in story:
        if cls is None and taken:
            slots.give_back(taken.pop(0))
        elif cls is not None and slots.can_serve(cls):
            taken.append(slots.take(cls))
        assert len(set(taken)) == len(taken) == slots.used <= slots.total
        assert sum(pool.busy for pool in slots.pools.values()) == slots.used
