"""Work that is seen to its end, however often whoever waits for it is cancelled."""

import asyncio
from collections.abc import Coroutine
from typing import Any


async def uninterrupted(work: Coroutine[Any, Any, None]) -> None:
    """Await `work` to its end, however often the awaiting task is cancelled meanwhile."""
    task = asyncio.get_running_loop().create_task(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as cancel:
            cancelled = cancel
    task.result()
    if cancelled is not None:
        raise cancelled
