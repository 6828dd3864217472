"""Schedules the garbage collector, in a process with thousands of ended tasks in memory."""

import asyncio
import gc

THRESHOLDS = (10_000, 20, 20)
"""Thresholds of Python's own collections, by generation. The default of 700 objects suits scripts:
here it would scan thousands of ended tasks over and over, and find nothing."""
YOUNG_EVERY_S = 0.1
MIDDLE_TICKS = 20
MANY_NEW = 2000
"""So many new objects in a tick belong to tasks that stay in memory. The middle generation would
only scan them a second time."""
MANY_WAITING = 6000
"""A scan of so many objects in the two younger generations takes some 4 ms."""
FULL_TICKS = 6000
"""Ten minutes."""
FULL_AFTER = 50_000
"""Garbage objects found in the younger generations: the oldest then holds as many, about 10 MB."""


def freeze_startup_objects() -> None:
    """Freeze the objects of the start-up; call this when the process has started.

    These objects are permanent. Otherwise they would be two thirds of what each full collection
    scans, while every task waits.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)


async def keep_young_few() -> None:
    """Collect the youngest generation ten times a second, and the older ones on a schedule.

    Python counts allocations minus deallocations. If each new task evicts an old one, the two
    cancel out: Python would collect only after ten thousand tasks, all at once, in a pause of
    0.1 s. Python's collections of older generations would not start either, so this loop runs them,
    too. A full collection runs after FULL_TICKS, or sooner if many reference cycles were found: a
    page leaves two thousand objects, other tasks none.

    Thousands of short tasks a second would fill the middle generation, whose scan would then take
    25 ms: so it is emptied sooner in this case, or skipped.
    """
    ticks, found_before, middle_at = 0, _found_among_newer(), MIDDLE_TICKS
    while True:
        await asyncio.sleep(YOUNG_EVERY_S)
        ticks += 1
        if ticks >= FULL_TICKS or _found_among_newer() - found_before >= FULL_AFTER:
            gc.collect()
            ticks, found_before, middle_at = 0, _found_among_newer(), MIDDLE_TICKS
        elif ticks >= middle_at or are_many():
            gc.collect(1)
            middle_at = ticks + MIDDLE_TICKS
        else:
            gc.collect(0)


def are_many() -> bool:
    """Whether the younger generations hold so many objects that both should be collected now."""
    new = len(gc.get_objects(generation=0))  # Python's own count subtracts freed objects
    return new >= MANY_NEW or new + len(gc.get_objects(generation=1)) >= MANY_WAITING


def _found_among_newer() -> int:
    """How many garbage objects were found in the two younger generations so far."""
    young, middle, _ = gc.get_stats()
    return int(young["collected"]) + int(middle["collected"])
