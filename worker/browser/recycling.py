"""When a healthy browser is recycled: by its tasks and its memory."""

import asyncio
from dataclasses import dataclass

from worker.browser.browser_process import BrowserProcess
from worker.browser.browser_states import Ending


@dataclass(frozen=True, slots=True)
class Recycling:
    """The limits of a healthy browser, and the lock of its replacement.

    One supervisor at a time recycles its browser, so that the machine does not start all at once.
    """

    max_tasks: int
    max_memory_mb: int
    lock: asyncio.Lock

    def due(self, process: BrowserProcess) -> Ending | None:
        """The reason to recycle `process`; None if there is none."""
        if process.tasks >= self.max_tasks:
            return Ending.MAX_TASKS
        if process.memory_mb > self.max_memory_mb:
            return Ending.MAX_MEMORY
        return None
