"""The cost of a balancer's links to many workers without tasks."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import ClientSession, CookieJar

from bench.balancing.fleet import until_ready
from bench.processes import KEY, Server, balancer, spawned
from bench.table import Row

WORKERS = 1000
TARGET_CORES = 0.5
WATCHED_CORES = 1.0
SETTLE_S = 3.0


async def measure(folder: Path, *, seconds: float) -> list[Row]:
    """Cores that one balancer uses while WORKERS workers report each second."""
    async with balancer(folder) as node:
        alone = await _cores(node, seconds=min(seconds, 3.0))
        env = {"BALANCER_URL": f"http://127.0.0.1:{node.port}", "WORKERS": str(WORKERS)}
        async with spawned([sys.executable, "-m", "bench.balancing.crowd"], env):
            await until_ready(node, WORKERS)
            await asyncio.sleep(SETTLE_S)
            cores = await _cores(node, seconds=seconds)
            async with _dashboard(node):
                watched = await _cores(node, seconds=seconds)
    return [
        Row(
            f"cores that a balancer uses to follow {WORKERS:,} workers, each of which reports "
            "every second; beside: without any worker",
            f"{cores:.2f}",
            f"{alone:.2f}",
            "",
            f"under {TARGET_CORES}",
            cores < TARGET_CORES,
        ),
        Row(
            "the same while a page of the dashboard shows all of them; beside: without a page",
            f"{watched:.2f}",
            f"{cores:.2f}",
            "",
            f"under {WATCHED_CORES}",
            watched < WATCHED_CORES,
        ),
    ]


@asynccontextmanager
async def _dashboard(node: Server) -> AsyncIterator[None]:
    """A page of the dashboard: log in, and read each second what has changed."""
    url = f"http://127.0.0.1:{node.port}/dashboard"

    async def read(session: ClientSession) -> None:
        async with session.get(f"{url}/changes") as response:
            response.raise_for_status()
            async for _ in response.content.iter_any():
                pass

    jar = CookieJar(unsafe=True)  # else none from an address without a name
    async with ClientSession(cookie_jar=jar) as session:
        (await session.post(f"{url}/login", data={"key": KEY})).raise_for_status()
        reading = asyncio.create_task(read(session))
        await asyncio.sleep(SETTLE_S)
        yield
        if reading.done():
            raise RuntimeError("the page's stream has ended") from reading.exception()
        reading.cancel()
        await asyncio.wait({reading})


async def _cores(node: Server, *, seconds: float) -> float:
    began, cpu_s = time.monotonic(), node.cpu_s()
    await asyncio.sleep(seconds)
    return (node.cpu_s() - cpu_s) / (time.monotonic() - began)
