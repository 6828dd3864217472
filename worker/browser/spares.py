"""Spare contexts: opened in advance, so that a task does not wait for one."""

import asyncio

import structlog

from worker.browser.browser_process import BrowserProcess
from worker.browser.browser_states import BrowserState

log = structlog.get_logger(__name__)

RETRY_S = 1.0


async def keep_spares(process: BrowserProcess, share: int) -> None:
    """Keep spares in `process` until it retires or ends.

    The target is one spare for each free slot of its `share`, and at least one. Spares open one
    after the other, in the background, so that running tasks have priority.
    """
    while process.state is BrowserState.READY:
        if len(process.spares) >= max(1, share - process.in_use):
            await process.changed()
            continue
        try:
            await process.add_spare()
        except Exception as error:  # the edge of the loop: without spares tasks are only slower
            # Usually the browser is about to end, which its supervisor detects.
            log.warning("browser.spare_failed", pid=process.chromium.pid, error=str(error))
            await asyncio.sleep(RETRY_S)
