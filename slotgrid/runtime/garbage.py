"""When Python looks for cycles, in a process that remembers thousands of ended tasks."""

import asyncio
import gc

THRESHOLDS = (10_000, 20, 20)
"""After how many new objects, and so on, Python looks by itself. Its 700 are meant for scripts:
here thousands of ended tasks are remembered, and going through them over and over finds nothing."""
YOUNG_EVERY_S = 0.1


def set_apart_what_stays() -> None:
    """Call it when the process has started.

    What start-up made is there for good: left in, it would be two thirds of what each full
    collection looks through, with every task waiting meanwhile.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)


async def keep_young_few() -> None:
    """Look through the newest objects ten times a second.

    Python counts how many more were made than freed. Where each new task lets an old one be
    forgotten these cancel out, so it would look when ten thousand tasks have come, through all of
    them at once: a tenth of a second in which nothing else is done.
    """
    while True:
        await asyncio.sleep(YOUNG_EVERY_S)
        gc.collect(0)
