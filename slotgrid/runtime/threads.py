"""Short blocking calls in a thread, which end before their caller goes on."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def in_thread(function: Callable[..., T], *arguments: object) -> T:
    """Run a short blocking call in a thread; if cancelled, first wait for its end.

    `asyncio.to_thread` leaves the thread alone then: it would write on while its caller cleans up.
    """
    call = asyncio.ensure_future(asyncio.to_thread(function, *arguments))
    try:
        return await asyncio.shield(call)
    except asyncio.CancelledError:
        await asyncio.gather(call, return_exceptions=True)
        raise
