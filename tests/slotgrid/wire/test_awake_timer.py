"""A time limit that does not run while the process stands still."""

import asyncio
import time

from slotgrid.wire.awake_timer import STEPS, AwakeTimer

LIMIT_S = 0.5
STALL_S = LIMIT_S * 3


async def test_a_limit_ends_after_its_time() -> None:
    ended = asyncio.Event()
    began = time.monotonic()
    AwakeTimer(0.1, ended.set, after_s=0.1)
    async with asyncio.timeout(10):
        await ended.wait()
    assert time.monotonic() - began >= 0.2


async def test_a_stall_takes_no_step_of_a_limit() -> None:
    ended = asyncio.Event()
    AwakeTimer(LIMIT_S, ended.set)
    time.sleep(STALL_S)  # noqa: ASYNC251 - the process stands still
    awake = time.monotonic()
    async with asyncio.timeout(10):
        await ended.wait()
    assert time.monotonic() - awake >= LIMIT_S * (STEPS - 1) / STEPS


async def test_a_cancelled_limit_does_not_end() -> None:
    ended, other = asyncio.Event(), asyncio.Event()
    cancelled = AwakeTimer(0.05, ended.set)
    AwakeTimer(0.1, other.set)
    cancelled.cancel()
    cancelled.cancel()
    async with asyncio.timeout(10):
        await other.wait()
    assert not ended.is_set()
