"""What DBOS leaves of the event loop that it was a guest of."""

import asyncio
import threading
from pathlib import Path
from typing import Any

from slotgrid.records.dbos_engine import THREADS, DurableEngine
from slotgrid.records.engines import engine_of

SOON_S = 0.3
"""Well after DBOS would have thrown away what waits for one of its threads."""


async def never(*_: object) -> Any:
    raise AssertionError("there is nothing to deliver")


async def test_who_waits_for_a_thread_when_dbos_ends_still_gets_one(tmp_path: Path) -> None:
    loop, gate = asyncio.get_running_loop(), threading.Event()
    engine = DurableEngine(
        engine_of(None, tmp_path, pool=1), executor="a node", attempt=never, broken_off=never
    )
    async with engine.running():
        await engine.unfinished()  # DBOS makes its threads the loop's own
        busy = [loop.run_in_executor(None, gate.wait) for _ in range(THREADS)]
        waiting = loop.run_in_executor(None, threading.current_thread)
        loop.call_later(SOON_S, gate.set)
    await asyncio.gather(waiting, *busy)
    assert await asyncio.to_thread(threading.current_thread) is not waiting.result()
