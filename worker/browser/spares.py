"""Contexts opened ahead of need, so that a task does not wait for one."""

import asyncio

import structlog

from worker.browser.process import BrowserProcess
from worker.browser.states import BrowserState

log = structlog.get_logger(__name__)

RETRY_S = 1.0


async def keep_spares(process: BrowserProcess, share: int) -> None:
    """Keeps spares in `process` until it retires or ends: one for each of its `share` of slots
    that is free, and one for the next task even when all are busy.

    One after the other, in the background: running tasks come first.
    """
    while process.state is BrowserState.READY:
        if len(process.spares) >= max(1, share - process.in_use):
            await process.changed()
            continue
        try:
            await process.add_spare()
        except Exception as error:  # the edge of the loop: without spares tasks are only slower
            # Most often the browser is going down, which its supervisor finds out.
            log.warning("browser.spare_failed", pid=process.chromium.pid, error=str(error))
            await asyncio.sleep(RETRY_S)
