"""Waiting with a time limit for a future that may never resolve."""

import asyncio
import math
from typing import Any

SLICE_S = 0.1


async def done_within(future: asyncio.Future[Any], seconds: float) -> bool:
    """Whether `future` is done within `seconds`; does not cancel it or read its result.

    The wait has slices of SLICE_S: if our own loop is blocked, a response may arrive but stay
    unread, and a single long wait would then blame a healthy browser.
    """
    for _ in range(math.ceil(seconds / SLICE_S)):
        done, _pending = await asyncio.wait({future}, timeout=SLICE_S)
        if done:
            return True
    return future.done()


def consume(future: asyncio.Future[Any]) -> None:
    """Retrieve the error of a future without waiters, so that asyncio does not report it."""
    if not future.cancelled():
        future.exception()
