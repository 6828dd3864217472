import asyncio
import gc
import weakref
from collections.abc import Callable

import pytest

from slotgrid.runtime import garbage
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
        async with background(garbage.keep_young_few(), name="garbage"), asyncio.timeout(10):
            while not freed.is_set():
                meanwhile()
                await asyncio.sleep(0)
    finally:
        gc.enable()


async def test_old_objects_are_looked_through_where_the_new_have_cycles(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(garbage, "YOUNG_EVERY_S", 0.01)
    monkeypatch.setattr(garbage, "FULL_AFTER", 100)
    await freed_in_its_turn(meanwhile=Ring)


async def test_old_objects_are_looked_through_now_and_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(garbage, "YOUNG_EVERY_S", 0.01)
    monkeypatch.setattr(garbage, "FULL_TICKS", 3)
    await freed_in_its_turn(meanwhile=lambda: None)


async def test_the_newest_objects_are_looked_through_though_few_have_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(garbage, "YOUNG_EVERY_S", 0.01)
    gc.disable()  # so that nothing else frees it
    try:
        freed = asyncio.Event()
        ring = Ring()
        weakref.finalize(ring, freed.set)
        del ring
        assert not freed.is_set()
        async with background(garbage.keep_young_few(), name="garbage"), asyncio.timeout(10):
            await freed.wait()
    finally:
        gc.enable()


@pytest.mark.parametrize("many", [True, False])
async def test_where_many_objects_are_new_each_is_looked_through_once(
    monkeypatch: pytest.MonkeyPatch, *, many: bool
) -> None:
    looks: list[int] = []
    enough = asyncio.Event()
    remembered: list[list[object]] = []

    def look(generation: int = 2) -> int:
        looks.append(generation)
        if len(looks) == 2 * garbage.MIDDLE_TICKS:
            enough.set()
        found = collect(0)  # it is what has the counting begin anew
        if many:
            remembered.extend([] for _ in range(2 * garbage.MANY_NEW))
        return found

    collect = gc.collect
    gc.disable()
    try:
        look()
        looks.clear()
        monkeypatch.setattr(garbage, "YOUNG_EVERY_S", 0.0)
        monkeypatch.setattr(gc, "collect", look)
        async with background(garbage.keep_young_few(), name="garbage"), asyncio.timeout(10):
            await enough.wait()
    finally:
        gc.enable()
    of_the_middle = looks.count(1)
    assert of_the_middle == (len(looks) if many else 2)
