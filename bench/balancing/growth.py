"""The cost of a balancer's links to many workers without tasks."""

import asyncio
import sys
import time
from pathlib import Path

from bench.balancing.fleet import until_ready
from bench.processes import Server, balancer, spawned
from bench.table import Row

WORKERS = 1000
TARGET_CORES = 0.5
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
    return [
        Row(
            f"cores that a balancer uses to follow {WORKERS:,} workers, each of which reports "
            "every second; beside: without any worker",
            f"{cores:.2f}",
            f"{alone:.2f}",
            "",
            f"under {TARGET_CORES}",
            cores < TARGET_CORES,
        )
    ]


async def _cores(node: Server, *, seconds: float) -> float:
    began, cpu_s = time.monotonic(), node.cpu_s()
    await asyncio.sleep(seconds)
    return (node.cpu_s() - cpu_s) / (time.monotonic() - began)
