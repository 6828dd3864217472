"""A function that ends when a test wants it to."""

import asyncio
from pathlib import Path

from slotgrid.function import Context, function


@function(timeout_s=120)
async def gate(context: Context, path: str) -> str:
    """Wait until the file `path` is there."""
    while not Path(path).exists():  # noqa: ASYNC110  the test that opens it is another process
        await asyncio.sleep(0.02)
    return "open"
