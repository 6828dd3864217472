"""Waiting for something that may never come, fairly."""

import asyncio
import math
from typing import Any

SLICE_S = 0.1


async def done_within(future: asyncio.Future[Any], seconds: float) -> bool:
    """Whether `future` is done within `seconds`; it is neither cancelled nor asked for its result.

    The time is counted in slices: while our own loop stands still an answer may lie unread, and
    a single long wait would then blame a healthy browser for it.
    """
    for _ in range(math.ceil(seconds / SLICE_S)):
        done, _pending = await asyncio.wait({future}, timeout=SLICE_S)
        if done:
            return True
    return future.done()


def consume(future: asyncio.Future[Any]) -> None:
    """Reads the error of a future nobody waits for any more, so that asyncio does not report it."""
    if not future.cancelled():
        future.exception()
