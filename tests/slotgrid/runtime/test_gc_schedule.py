import asyncio
import gc
import weakref
from collections.abc import Callable

import pytest

from slotgrid.runtime import gc_schedule
from slotgrid.runtime.background import background


class Ring:
    """Refers to itself, so that only Python's search for cycles frees it."""

    def __init__(self) -> None:
        self.itself = self


async def freed_in_its_turn(*, meanwhile: Callable[[], object]) -> None:
    """A ring that has grown old is freed by looking, while `meanwhile` goes on."""
    gc.disable()  # so that nothing else frees it
    try:
        freed = asyncio.Event()
        ring = Ring()
        weakref.finalize(ring, freed.set)
        gc.collect()  # it is among the oldest from here on
        del ring
        async with background(gc_schedule.keep_young_few, name="garbage"), asyncio.timeout(10):
            while not freed.is_set():
                meanwhile()
                await asyncio.sleep(0)
    finally:
        gc.enable()


async def test_old_objects_are_looked_through_where_the_new_have_cycles(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gc_schedule, "YOUNG_EVERY_S", 0.01)
    monkeypatch.setattr(gc_schedule, "FULL_AFTER", 100)
    await freed_in_its_turn(meanwhile=Ring)


async def test_old_objects_are_looked_through_now_and_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gc_schedule, "YOUNG_EVERY_S", 0.01)
    monkeypatch.setattr(gc_schedule, "FULL_TICKS", 3)
    await freed_in_its_turn(meanwhile=lambda: None)


async def test_the_newest_objects_are_looked_through_though_few_have_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gc_schedule, "YOUNG_EVERY_S", 0.01)
    gc.disable()  # so that nothing else frees it
    try:
        freed = asyncio.Event()
        ring = Ring()
        weakref.finalize(ring, freed.set)
        del ring
        assert not freed.is_set()
        async with background(gc_schedule.keep_young_few, name="garbage"), asyncio.timeout(10):
            await freed.wait()
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("new_in_a_tick", "looks_at_it"),
    [
        (0, 2),  # by its turn alone
        (
            gc_schedule.MANY_WAITING // 4,
            2 * gc_schedule.MIDDLE_TICKS // 4,
        ),  # when four ticks' have come
        (2 * gc_schedule.MANY_NEW, 2 * gc_schedule.MIDDLE_TICKS),  # each time
    ],
)
async def test_the_middle_generation_never_has_much_to_look_through(
    monkeypatch: pytest.MonkeyPatch, new_in_a_tick: int, looks_at_it: int
) -> None:
    looks: list[int] = []
    enough = asyncio.Event()
    remembered: list[list[object]] = []

    def look(generation: int) -> int:
        looks.append(generation)
        if len(looks) == 2 * gc_schedule.MIDDLE_TICKS:
            enough.set()
        found = collect(generation)
        remembered.extend([] for _ in range(new_in_a_tick))
        return found

    collect = gc.collect
    gc.disable()
    try:
        collect()
        remembered.extend([] for _ in range(new_in_a_tick))
        monkeypatch.setattr(gc_schedule, "YOUNG_EVERY_S", 0.0)
        monkeypatch.setattr(gc, "collect", look)
        async with background(gc_schedule.keep_young_few, name="garbage"), asyncio.timeout(10):
            await enough.wait()
    finally:
        gc.enable()
    assert looks.count(1) == looks_at_it


async def test_what_was_freed_does_not_hide_what_is_new() -> None:
    gc.disable()
    try:
        old: list[list[object]] = [[] for _ in range(2 * gc_schedule.MANY_NEW)]
        gc.collect()
        new: list[list[object]] = [[] for _ in range(2 * gc_schedule.MANY_NEW)]
        del old
        assert gc.get_count()[0] < gc_schedule.MANY_NEW
        assert gc_schedule.are_many()
        del new
        assert not gc_schedule.are_many()
    finally:
        gc.enable()
