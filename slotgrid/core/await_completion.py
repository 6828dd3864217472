"""Work that completes even if the task that awaits it is cancelled."""

import asyncio
from collections.abc import Coroutine
from typing import Any


async def await_completion(work: Coroutine[Any, Any, None]) -> None:
    """Await `work` to its end; raise a cancellation of the caller only afterwards."""
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
