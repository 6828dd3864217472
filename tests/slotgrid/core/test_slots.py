import pytest
from hypothesis import given
from hypothesis import strategies as st

from slotgrid.core.fields import Place
from slotgrid.core.priority_queue import TaskClass
from slotgrid.core.slots import NoSlotFree, PoolCount, Slot, Slots

DEFAULT = TaskClass("default", 1, "default")
LOGINS = TaskClass("default", 1, "logins")
NOWHERE = TaskClass("default", 1, "nowhere")


def slot_of(number: int, pool: str = "logins") -> TaskClass:
    """The class of the tasks for one slot."""
    return TaskClass("default", 1, pool, Place(pool=pool, slot=number))


def persistent(size: int = 3) -> Slots:
    return Slots({"default": 2, "logins": size}, worker="w1", persistent={"logins"})


def test_slots_are_numbered_and_counted_in_each_pool() -> None:
    slots = Slots({"default": 2, "logins": 1}, worker="w1")
    assert slots.total == 3
    assert (slots.size(DEFAULT), slots.size(LOGINS)) == (2, 1)
    taken = slots.take(LOGINS)
    assert taken == Slot(0, "logins", "w1")
    assert slots.overall_number(taken) == 2
    assert slots.overall_number(slots.take(DEFAULT)) == 0
    slots.give_back(Slot(0, "default", "w1"))
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


def test_a_class_that_names_a_slot_gets_that_one_or_none() -> None:
    slots = persistent()
    taken = slots.take(slot_of(1))
    assert (taken.pool, taken.number) == ("logins", 1)
    assert not slots.can_serve(slot_of(1))
    with pytest.raises(NoSlotFree):
        slots.take(slot_of(1))
    assert slots.closed_by(slot_of(1)) is None  # it is only busy
    assert slots.free_slots == {"logins": (0, 2)}
    assert {slots.take(LOGINS).index, slots.take(LOGINS).index} == {0, 2}
    assert not slots.can_serve(LOGINS)
    slots.give_back(taken)
    assert slots.can_serve(slot_of(1))
    assert slots.can_serve(LOGINS)
    assert (slots.size(slot_of(1)), slots.size(LOGINS)) == (1, 3)


@pytest.mark.parametrize("cls", [slot_of(3), slot_of(0, "default"), slot_of(0, "nowhere")])
def test_a_slot_that_cannot_be_chosen_is_never_handed_out(cls: TaskClass) -> None:
    slots = persistent()
    assert not slots.can_serve(cls)
    assert slots.size(cls) == 0
    with pytest.raises(NoSlotFree):
        slots.take(cls)
    assert slots.closed_by(cls) == f'the pool "{cls.pool}" has no persistent slot {cls.slot}'
    assert slots.used == 0


def test_of_a_persistent_pool_the_slot_that_was_free_for_longest_is_next() -> None:
    slots = persistent()
    first, second = slots.take(LOGINS), slots.take(LOGINS)
    slots.give_back(second)
    slots.give_back(first)
    assert [slots.take(LOGINS).index for _ in range(3)] == [2, second.index, first.index]
    assert slots.take(DEFAULT) == Slot(0, "default", "w1")


def test_the_pools_show_which_are_persistent() -> None:
    shown = {pool: counts.to_json() for pool, counts in persistent().pools.items()}
    assert shown == {
        "default": {"size": 2, "free": 2, "busy": 0},
        "logins": {"size": 3, "free": 3, "busy": 0, "isolation": "persistent"},
    }


@given(st.lists(st.sampled_from([LOGINS, *map(slot_of, range(3)), None]), max_size=60))
def test_no_slot_of_a_persistent_pool_is_ever_in_two_hands(story: list[TaskClass | None]) -> None:
    slots = persistent()
    taken: list[Slot] = []
    for cls in story:
        if cls is None and taken:
            slots.give_back(taken.pop(0))
        elif cls is not None and slots.can_serve(cls):
            taken.append(slots.take(cls))
            assert cls.slot in {None, taken[-1].index}
        busy = {slot.index for slot in taken}
        assert len(busy) == len(taken) == slots.used
        assert set(slots.free_slots["logins"]) == {0, 1, 2} - busy


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


def test_a_slot_that_is_down_is_handed_out_no_more_until_it_is_up() -> None:
    slots = Slots({"logins": 2}, worker="w", persistent={"logins"})
    taken = slots.take(LOGINS)
    slots.set_down("logins", taken.index, "profile locked")
    slots.give_back(taken)
    assert slots.pools["logins"].free == 1
    assert slots.pools["logins"].busy == slots.used == 0
    assert slots.closed_by(LOGINS) is None
    assert slots.take(LOGINS).index != taken.index
    assert not slots.can_serve(LOGINS)
    slots.set_down("logins", 1 - taken.index, "disk full")
    reason = slots.closed_by(LOGINS)
    assert reason is not None
    assert reason.startswith('the pool "logins" gives no slot, its 2 slots are down: ')
    slots.set_up("logins", taken.index)
    assert slots.take(LOGINS) == taken
