"""When Python looks for cycles, in a process that remembers thousands of ended tasks."""

import asyncio
import gc

THRESHOLDS = (10_000, 20, 20)
"""After how many new objects, and so on, Python looks by itself. Its 700 are meant for scripts:
here thousands of ended tasks are remembered, and going through them over and over finds nothing."""
YOUNG_EVERY_S = 0.1
MIDDLE_TICKS = 20
MANY_NEW = 2000
"""So many new objects in a tick are tasks to be remembered: the middle generation can wait for
none of them, and would only be where they are all looked through a second time."""
MANY_WAITING = 6000
"""So many objects in both of the younger generations take some 4 ms to look through."""
FULL_TICKS = 6000
"""Ten minutes."""
FULL_AFTER = 50_000
"""Objects: so many found among the newer ones say that as many lie among the old, about 10 MB."""


def set_apart_what_stays() -> None:
    """Call it when the process has started.

    What start-up made is there for good: left in, it would be two thirds of what each full
    collection looks through, with every task waiting meanwhile.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)


async def keep_young_few() -> None:
    """Look through the newest objects ten times a second, and through older ones in their turn.

    Python counts how many more were made than freed. Where each new task lets an old one be
    forgotten these cancel out, so it would look when ten thousand tasks have come, through all of
    them at once: a tenth of a second in which nothing else is done. As it never comes to its own
    turn then, that of the older generations is taken here, too. All objects are gone through where
    cycles come about at all: a page leaves two thousand objects, other tasks none.

    Thousands of short tasks a second would leave the middle generation so much to look through
    that everyone waits for a fortieth of a second: so it is emptied sooner then, or passed by.
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
    """Whether so many new objects wait that the middle generation should not grow by them."""
    new = len(gc.get_objects(generation=0))  # Python's own count leaves out what was freed
    return new >= MANY_NEW or new + len(gc.get_objects(generation=1)) >= MANY_WAITING


def _found_among_newer() -> int:
    """How many objects of cycles the two younger generations have had, so far."""
    young, middle, _ = gc.get_stats()
    return int(young["collected"]) + int(middle["collected"])
