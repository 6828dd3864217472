"""Which durable tasks are held in memory: decided without I/O, so every order can be tried."""

import random

import pytest

from slotgrid.core.task import Task
from slotgrid.durable.prefetch_buffer import PrefetchBuffer
from tests.slotgrid.records.recorded import async_task

CLASS = "a"


def hold(buffer: PrefetchBuffer, key: float, cls: str = CLASS) -> Task:
    task = async_task()
    buffer.hold(task, cls, key)
    return task


def test_the_first_ones_are_held_and_the_others_stay_on_disk() -> None:
    buffer = PrefetchBuffer(size=3)
    for key in (1.0, 2.0, 3.0):
        assert buffer.admits(CLASS, key)
        hold(buffer, key)
    assert not buffer.admits(CLASS, 4.0)
    assert not buffer.is_low(CLASS)


def test_what_comes_before_those_held_is_held_as_well() -> None:
    buffer = PrefetchBuffer(size=2)
    for key in (5.0, 6.0):
        buffer.admits(CLASS, key)
        hold(buffer, key)
    assert not buffer.admits(CLASS, 7.0)
    assert buffer.admits(CLASS, 1.0)


def test_nothing_overtakes_what_lies_on_disk() -> None:
    buffer = PrefetchBuffer(size=2)
    first, second = hold(buffer, 1.0), hold(buffer, 2.0)
    assert not buffer.admits(CLASS, 3.0)
    for task in (first, second):
        held = buffer.get(task.id)
        assert held is not None
        assert buffer.leave_queue(held)
    assert not buffer.admits(CLASS, 4.0)
    assert buffer.is_low(CLASS)


def test_a_class_is_read_before_what_is_held_runs_past_what_is_on_disk() -> None:
    buffer = PrefetchBuffer(size=4)
    for key in (1.0, 2.0, 8.0, 9.0):
        hold(buffer, key)
    buffer.note_disk(CLASS, 3.0)
    assert buffer.is_low(CLASS)
    assert buffer.low_classes() == [CLASS]
    disk = buffer.begin_read(CLASS)
    room, held = buffer.room(CLASS)
    assert (room, held, disk) == (2, 4, 3.0)
    assert not buffer.is_low(CLASS)


def test_what_is_noted_during_a_read_is_not_forgotten() -> None:
    buffer = PrefetchBuffer(size=1)
    buffer.note_disk(CLASS, 1.0)
    buffer.begin_read(CLASS)
    hold(buffer, 1.0)
    assert not buffer.admits(CLASS, 2.0)
    held = next(iter(buffer))
    buffer.leave_queue(held)
    assert buffer.is_low(CLASS)


def test_a_task_leaves_the_queue_once_however_often_it_starts() -> None:
    buffer = PrefetchBuffer()
    task, other = hold(buffer, 1.0), hold(buffer, 1.0)
    held = buffer.get(task.id)
    assert held is not None
    assert buffer.leave_queue(held)
    assert not buffer.leave_queue(held)
    left = buffer.get(other.id)
    assert left is not None
    assert buffer.leave_queue(left)


def test_a_task_that_is_dropped_is_held_no_more() -> None:
    buffer = PrefetchBuffer()
    task = hold(buffer, 1.0)
    assert task.id in buffer
    buffer.drop(task.id)
    buffer.drop(task.id)
    assert task.id not in buffer
    assert list(buffer) == []


def test_a_task_is_held_once() -> None:
    buffer = PrefetchBuffer()
    task = hold(buffer, 1.0)
    with pytest.raises(AssertionError):
        buffer.hold(task, CLASS, 1.0)


def test_classes_do_not_share_their_places() -> None:
    buffer = PrefetchBuffer(size=1)
    hold(buffer, 1.0)
    assert not buffer.admits(CLASS, 2.0)
    assert buffer.admits("b", 2.0)


def test_a_task_that_waits_for_its_time_makes_its_class_read_when_that_has_come() -> None:
    buffer = PrefetchBuffer()
    buffer.note_early(CLASS, 20.0)
    buffer.note_early(CLASS, 10.0)
    assert buffer.collect_due(9.0) == []
    assert buffer.low_classes() == []
    assert buffer.collect_due(10.0) == [CLASS]
    assert buffer.low_classes() == [CLASS]
    assert buffer.collect_due(11.0) == []


@pytest.mark.parametrize("seed", range(20))
def test_whatever_comes_all_run_in_the_order_of_their_keys(seed: int) -> None:
    chance = random.Random(seed)
    size = chance.randint(1, 8)
    buffer = PrefetchBuffer(size=size)
    disk: list[float] = []
    ran: list[float] = []
    keys: dict[str, float] = {}

    def read() -> None:
        for class_key in buffer.low_classes():
            buffer.begin_read(class_key)
            room, held = buffer.room(class_key)
            found = sorted([*disk, *keys.values()])[: room + held]
            fresh = [key for key in found if key in disk]
            for key in fresh[:room]:
                disk.remove(key)
                keys[hold(buffer, key).id] = key
            if len(fresh) > room:
                buffer.note_disk(class_key, fresh[room])
            elif len(found) == room + held:
                buffer.note_disk(class_key, found[-1])

    for key in chance.sample(range(1000), 100):
        if buffer.admits(CLASS, key):
            keys[hold(buffer, key).id] = key
        else:
            disk.append(key)
    everything = sorted([*disk, *keys.values()])
    while keys or disk:
        read()
        task_id = min(keys, key=keys.__getitem__)
        ran.append(keys.pop(task_id))
        held = buffer.get(task_id)
        assert held is not None
        buffer.leave_queue(held)
        buffer.drop(task_id)
    assert ran == everything


def test_what_is_held_waits_for_what_may_lie_before_it_on_disk() -> None:
    buffer = PrefetchBuffer(size=4)
    first = buffer.hold(async_task(), CLASS, 1.0)
    later = buffer.hold(async_task(), CLASS, 9.0)
    assert not buffer.overtakes(later)
    buffer.note_disk(CLASS, 5.0)
    assert (buffer.overtakes(first), buffer.overtakes(later)) == (False, True)
    buffer.begin_read(CLASS)
    assert buffer.overtakes(later)  # nobody knows yet what the read finds
    buffer.note_disk(CLASS, 7.0)
    buffer.end_read(CLASS)
    assert buffer.overtakes(later)
    buffer.begin_read(CLASS)
    buffer.end_read(CLASS)
    assert not buffer.overtakes(later)
