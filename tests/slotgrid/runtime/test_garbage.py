import asyncio
import gc
import weakref

import pytest

from slotgrid.runtime import garbage
from slotgrid.runtime.background import background


class Ring:
    """Refers to itself, so that only Python's search for cycles frees it."""

    def __init__(self) -> None:
        self.itself = self


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
