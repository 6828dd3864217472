"""The heartbeat of a browser: one probe in each interval."""

import asyncio
from typing import Any

from worker.browser.bounded_wait import done_within
from worker.browser.browser_process import BrowserProcess
from worker.browser.time_limits import Limits

SUSPECT_AFTER = 0.25  # fraction of `ping_s`


async def beats(
    process: BrowserProcess, limits: Limits, *, sooner: asyncio.Future[Any] | None = None
) -> bool:
    """Probe `process` once, after the interval; whether it lives. If it does not respond, kill it.

    Returns at once when it ends, or when `sooner` resolves.
    """
    early: set[asyncio.Future[Any]] = {process.ended} if sooner is None else {process.ended, sooner}
    await asyncio.wait(early, timeout=limits.ping_interval_s)
    if process.ended.done():
        return False
    if sooner is not None and sooner.done():
        return True
    ping = process.ping()
    process.suspect = not await done_within(ping, limits.ping_s * SUSPECT_AFTER)
    rest_s = limits.ping_s * (1 - SUSPECT_AFTER)
    answered = await done_within(ping, rest_s) and ping.result()
    process.suspect = not answered
    if not answered:
        process.give_up_hung()
    return answered
