"""Which durable tasks are held in memory: decided without I/O, so every order can be tried."""

import random

import pytest

from slotgrid.core.task import Task
from slotgrid.records.window import Window
from tests.slotgrid.records.recorded import async_task

CLASS = "a"


def hold(window: Window, key: float, cls: str = CLASS) -> Task:
    task = async_task()
    window.hold(task, cls, key)
    return task


def test_the_first_ones_are_held_and_the_others_stay_on_disk() -> None:
    window = Window(size=3)
    for key in (1.0, 2.0, 3.0):
        assert window.admits(CLASS, key)
        hold(window, key)
    assert not window.admits(CLASS, 4.0)
    assert not window.short(CLASS)


def test_what_comes_before_those_held_is_held_as_well() -> None:
    window = Window(size=2)
    for key in (5.0, 6.0):
        window.admits(CLASS, key)
        hold(window, key)
    assert not window.admits(CLASS, 7.0)
    assert window.admits(CLASS, 1.0)


def test_nothing_overtakes_what_lies_on_disk() -> None:
    window = Window(size=2)
    first, second = hold(window, 1.0), hold(window, 2.0)
    assert not window.admits(CLASS, 3.0)
    for task in (first, second):
        held = window.get(task.id)
        assert held is not None
        assert window.leave_queue(held)
    assert not window.admits(CLASS, 4.0)
    assert window.short(CLASS)


def test_a_class_is_read_before_what_is_held_runs_past_what_is_on_disk() -> None:
    window = Window(size=4)
    for key in (1.0, 2.0, 8.0, 9.0):
        hold(window, key)
    window.note_disk(CLASS, 3.0)
    assert window.short(CLASS)
    assert window.wanting() == [CLASS]
    room, held, disk = window.begin_read(CLASS)
    assert (room, held, disk) == (2, 4, 3.0)
    assert not window.short(CLASS)


def test_what_is_noted_during_a_read_is_not_forgotten() -> None:
    window = Window(size=1)
    window.note_disk(CLASS, 1.0)
    window.begin_read(CLASS)
    hold(window, 1.0)
    assert not window.admits(CLASS, 2.0)
    held = next(iter(window))
    window.leave_queue(held)
    assert window.short(CLASS)


def test_a_task_leaves_the_queue_once_however_often_it_starts() -> None:
    window = Window()
    task, other = hold(window, 1.0), hold(window, 1.0)
    held = window.get(task.id)
    assert held is not None
    assert window.leave_queue(held)
    assert not window.leave_queue(held)
    left = window.get(other.id)
    assert left is not None
    assert window.leave_queue(left)


def test_a_task_that_is_dropped_is_held_no_more() -> None:
    window = Window()
    task = hold(window, 1.0)
    assert task.id in window
    window.drop(task.id)
    window.drop(task.id)
    assert task.id not in window
    assert list(window) == []


def test_a_task_is_held_once() -> None:
    window = Window()
    task = hold(window, 1.0)
    with pytest.raises(AssertionError):
        window.hold(task, CLASS, 1.0)


def test_classes_do_not_share_their_places() -> None:
    window = Window(size=1)
    hold(window, 1.0)
    assert not window.admits(CLASS, 2.0)
    assert window.admits("b", 2.0)


def test_a_task_that_waits_for_its_time_makes_its_class_read_when_that_has_come() -> None:
    window = Window()
    window.note_early(CLASS, 20.0)
    window.note_early(CLASS, 10.0)
    assert window.come_due(9.0) == []
    assert window.wanting() == []
    assert window.come_due(10.0) == [CLASS]
    assert window.wanting() == [CLASS]
    assert window.come_due(11.0) == []


@pytest.mark.parametrize("seed", range(20))
def test_whatever_comes_all_run_in_the_order_of_their_keys(seed: int) -> None:
    chance = random.Random(seed)
    size = chance.randint(1, 8)
    window = Window(size=size)
    disk: list[float] = []
    ran: list[float] = []
    keys: dict[str, float] = {}

    def read() -> None:
        for class_key in window.wanting():
            room, held, _ = window.begin_read(class_key)
            found = sorted([*disk, *keys.values()])[: room + held]
            fresh = [key for key in found if key in disk]
            for key in fresh[:room]:
                disk.remove(key)
                keys[hold(window, key).id] = key
            if len(fresh) > room:
                window.note_disk(class_key, fresh[room])
            elif len(found) == room + held:
                window.note_disk(class_key, found[-1])

    for key in chance.sample(range(1000), 100):
        if window.admits(CLASS, key):
            keys[hold(window, key).id] = key
        else:
            disk.append(key)
    everything = sorted([*disk, *keys.values()])
    while keys or disk:
        read()
        task_id = min(keys, key=keys.__getitem__)
        ran.append(keys.pop(task_id))
        held = window.get(task_id)
        assert held is not None
        window.leave_queue(held)
        window.drop(task_id)
    assert ran == everything


def test_what_is_held_waits_for_what_may_lie_before_it_on_disk() -> None:
    window = Window(size=4)
    first = window.hold(async_task(), CLASS, 1.0)
    later = window.hold(async_task(), CLASS, 9.0)
    assert not window.overtakes(later)
    window.note_disk(CLASS, 5.0)
    assert (window.overtakes(first), window.overtakes(later)) == (False, True)
    window.begin_read(CLASS)
    assert window.overtakes(later)  # nobody knows yet what the read finds
    window.note_disk(CLASS, 7.0)
    window.end_read(CLASS)
    assert window.overtakes(later)
    window.begin_read(CLASS)
    window.end_read(CLASS)
    assert not window.overtakes(later)
