"""`python -m bench.schedules [--quick]`: 10,000 schedules on SQLite: how late they fire, what they
cost while none does.

The schedules come from `schedules.yaml`. Their times are spread over the seconds of a minute, then
all in one second. Lateness is from the time of the expression to the commit of the task.
"""

import asyncio
import sqlite3
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.balancing.fleet import RunningFleet, fleet
from bench.load import ask, get
from bench.measuring import main
from bench.table import Row

SCHEDULES = 10_000
LATE_P99_MS = 1000.0
IDLE_CORES = 0.1
READ_WITHIN_S = 120.0
SETTLE_S = 5.0
BURST_WITHIN_S = 180.0
NEVER_NOW = "0 0 29 2 *"


async def run(folder: Path, *, quick: bool, say: Callable[[str], None]) -> list[Row]:
    """Every measurement, one after the other; `folder` is for the nodes' files."""
    file = folder / "schedules.yaml"
    _write(file, [NEVER_NOW] * SCHEDULES)
    settings = {"SCHEDULES_FILE": str(file)}
    async with fleet(folder / "nodes", workers=1, slots=8, **settings) as nodes:
        say(f"{SCHEDULES:,} schedules, none of which fires")
        await _until_read(nodes, NEVER_NOW)
        idle = await _idle_cores(nodes, seconds=10.0 if quick else 30.0)
        say("each of them once in a minute")
        _write(file, [f"{n % 60} * * * * *" for n in range(SCHEDULES)])
        await _until_read(nodes, "* * * * *")
        began = time.time() + SETTLE_S
        await asyncio.sleep(SETTLE_S + (20.0 if quick else 65.0))
        spread = _late_ms(folder, since=began)
        say("all of them in one second")
        at = datetime.now(UTC) + timedelta(seconds=50)
        cron = f"{at.second} {at.minute} {at.hour} * * *"
        _write(file, [cron] * SCHEDULES)
        await _until_read(nodes, cron)
        async with asyncio.timeout(BURST_WITHIN_S):
            while len(burst := _late_ms(folder, since=at.timestamp() - 1)) < SCHEDULES:  # noqa: ASYNC110
                await asyncio.sleep(1.0)
    return [
        Row(
            f"{SCHEDULES:,} schedules, CPU of the balancer while none fires, cores",
            f"{idle:.3f}",
            target=f"<= {IDLE_CORES}",
            met=idle <= IDLE_CORES,
        ),
        Row(
            f"{len(spread):,} firings, spread over a minute, late by, p99, ms; p50; longest",
            f"{_at(spread, 0.99):.0f}; {_at(spread, 0.5):.0f}; {spread[-1]:.0f}",
            target=f"<= {LATE_P99_MS:.0f}",
            met=_at(spread, 0.99) <= LATE_P99_MS,
        ),
        Row(
            f"{len(burst):,} firings of one second, late by, p99, ms; p50",
            f"{_at(burst, 0.99):.0f}; {_at(burst, 0.5):.0f}",
        ),
    ]


def _write(file: Path, crons: Sequence[str]) -> None:
    lines = [
        f'- {{name: s{n}, cron: "{cron}", function: echo, input: {{value: {{}}}}}}\n'
        for n, cron in enumerate(crons)
    ]
    partial = file.with_suffix(".new")
    partial.write_text("".join(lines))
    partial.rename(file)


async def _until_read(nodes: RunningFleet, cron: str) -> None:
    """Wait until the last schedule of the file is on record."""
    shown = get(f"/schedules/s{SCHEDULES - 1}")
    async with asyncio.timeout(READ_WITHIN_S):
        while True:
            with suppress(RuntimeError):  # 404
                if (await ask(nodes.balancer, shown))["schedule"]["cron"].endswith(cron):
                    return
            await asyncio.sleep(0.5)


async def _idle_cores(nodes: RunningFleet, *, seconds: float) -> float:
    await asyncio.sleep(SETTLE_S)
    before, began = nodes.balancer.cpu_s(), time.monotonic()
    await asyncio.sleep(seconds)
    return (nodes.balancer.cpu_s() - before) / (time.monotonic() - began)


def _late_ms(folder: Path, *, since: float) -> list[float]:
    """How late the firings since a time were, ascending."""
    (database,) = folder.glob("nodes/balancer/**/slotgrid.sqlite")
    query = "SELECT fired_at - due_at FROM slotgrid_schedule_runs WHERE due_at >= ?"
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return sorted(1000 * late_s for (late_s,) in connection.execute(query, (since,)))


def _at(ascending: Sequence[float], share: float) -> float:
    return ascending[min(len(ascending) - 1, int(share * len(ascending)))]


if __name__ == "__main__":
    sys.exit(
        main(run, module="bench.schedules", about=__doc__, quick="two minutes instead of four")
    )
