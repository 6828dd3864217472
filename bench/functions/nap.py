"""Work that takes its time and no CPU, as that on a page mostly does."""

import asyncio

from slotgrid.function import Context, function


@function()
async def nap(context: Context, milliseconds: int) -> int:
    """Return after so many milliseconds."""
    await asyncio.sleep(milliseconds / 1000)
    return milliseconds
