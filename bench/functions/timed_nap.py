"""Work that takes its time and no CPU, and tells when it began and ended."""

import asyncio
import time

from slotgrid.function import Context, function


@function()
async def timed_nap(context: Context, seconds: float) -> tuple[float, float]:
    """Sleep; returns when it began and ended, in seconds of the monotonic clock.

    All processes of one machine share that clock.
    """
    began = time.monotonic()
    await asyncio.sleep(seconds)
    return began, time.monotonic()
