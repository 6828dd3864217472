"""When Python looks for cycles, in a process that remembers thousands of ended tasks."""

import asyncio
import gc
import time

THRESHOLDS = (10_000, 20, 20)
"""After how many new objects, and so on, Python looks by itself. Its 700 are meant for scripts:
here thousands of ended tasks are remembered, and going through them over and over finds nothing."""
YOUNG_EVERY_S = 0.1
MIDDLE_TICKS = 20
MIDDLE_MOST_S = 0.005
"""A look at the middle generation that took longer is followed by the next one sooner."""
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

    Thousands of short tasks a second leave the middle generation so much to look through in two
    seconds that everyone waits for a twentieth of one: then it is looked through more often.
    """
    ticks, found_before = 0, _found_among_newer()
    middle_ticks, middle_at = MIDDLE_TICKS, MIDDLE_TICKS
    while True:
        await asyncio.sleep(YOUNG_EVERY_S)
        ticks += 1
        if ticks >= FULL_TICKS or _found_among_newer() - found_before >= FULL_AFTER:
            gc.collect()
            ticks, found_before = 0, _found_among_newer()
            middle_at = middle_ticks
        elif ticks >= middle_at:
            began = time.perf_counter()
            gc.collect(1)
            too_long = time.perf_counter() - began > MIDDLE_MOST_S
            middle_ticks = (
                max(1, middle_ticks // 2) if too_long else min(MIDDLE_TICKS, middle_ticks + 1)
            )
            middle_at = ticks + middle_ticks
        else:
            gc.collect(0)


def _found_among_newer() -> int:
    """How many objects of cycles the two younger generations have had, so far."""
    young, middle, _ = gc.get_stats()
    return int(young["collected"]) + int(middle["collected"])
