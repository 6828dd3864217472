import gc
import weakref
from collections.abc import Iterator

import pytest

from slotgrid.runtime.gc_thresholds import THRESHOLDS, freeze_startup_objects


class Ring:
    """Refers to itself, so that only a garbage collection frees it."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def restored() -> Iterator[None]:
    """Puts this process back to how it was."""
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


@pytest.mark.usefixtures("restored")
def test_objects_of_the_start_are_scanned_no_more_and_new_cycles_are_freed() -> None:
    old = [[number] for number in range(1000)]
    freeze_startup_objects()
    assert gc.get_freeze_count() > len(old)
    assert not any(one is old for one in gc.get_objects())
    new = Ring()
    freed = weakref.ref(new)
    del new
    remembered: list[list[int]] = []
    while freed() is not None:
        remembered.append([])
        assert len(remembered) <= 2 * THRESHOLDS[0], "no collection came"
