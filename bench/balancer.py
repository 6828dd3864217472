"""`python -m bench.balancer [--quick]`: the balancer beside what it is built on, as one table.

Every node is a process of its own, as an operator starts it; only the thousand workers that it
has to follow are links with nobody behind them. Decisions on a simulated clock: `bench.simulate`.
"""

import sys
from collections.abc import Callable
from pathlib import Path

from bench.balancing import growth, naps, neighbours, overhead
from bench.balancing.fleet import fleet
from bench.measuring import main
from bench.table import Row

WORKERS, SLOTS = 8, 4
TASKS = {"exponential": 20_000, "constant": 10_000}
"""Number of real tasks, by distribution of their duration."""


async def run(folder: Path, *, quick: bool, say: Callable[[str], None]) -> list[Row]:
    """Every measurement, one after the other; `folder` is for the nodes' files."""
    rows: list[Row] = []
    say("tasks that do nothing, beside other proxies")
    starts, rounds, seconds = (2, 2, 1.0) if quick else (6, 3, 1.0)
    rows += await overhead.measure(folder / "no-op", starts=starts, rounds=rounds, seconds=seconds)
    say(f"{WORKERS} workers of {SLOTS} slots: what is free, and when that is known")
    async with fleet(folder / "naps", workers=WORKERS, slots=SLOTS) as nodes:
        rows += await naps.measure_freshness(nodes, tasks=500 if quick else 2000)
        rows += await naps.measure_direct_freshness(nodes, rounds=50 if quick else 200)
        rows += await naps.measure_idle_gap(nodes, tasks=1000 if quick else 3000)
        for service, tasks in TASKS.items():
            count = tasks // 10 if quick else tasks
            say(f"{count:,} tasks, {service}")
            rows += await naps.measure_waits(nodes, service, tasks=count)
    say(f"{neighbours.CALLERS} callers beside a demanding one")
    remembered = {"HISTORY_LIMIT": "1000000"}  # the file goes with its task
    async with fleet(folder / "neighbours", workers=2, slots=8, **remembered) as nodes:
        rows += await neighbours.measure(nodes, pairs=2 if quick else 9, seconds=2.0)
    say(f"{growth.WORKERS:,} workers to follow")
    rows += await growth.measure(folder / "growth", seconds=5.0 if quick else 15.0)
    return rows


if __name__ == "__main__":
    sys.exit(
        main(run, module="bench.balancer", about=__doc__, quick="three minutes instead of thirteen")
    )
