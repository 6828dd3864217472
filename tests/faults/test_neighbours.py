"""What one caller does is not felt by a hundred others, measured side by side in one run."""

import asyncio
import os
import random
import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.balancer.processes import Node, nodes
from tests.balancer.running import KEY
from tests.system.processes import Process

CALLERS = 100
THINKS_S = 0.25
ROUND_S = 2.0
PAIRS, PAIRS_LIMIT = 5, 24
BOUND = 1.5
MIB = 1024 * 1024
FILE_MIB = 50
REMEMBERED = 1_000_000
"""Tasks: the file goes with its task, and thousands follow that one."""

# Fetches the file; a process of its own, so that it and the callers do not
# wait for each other's event loop.
READER = """
import sys, urllib.request
url, key = sys.argv[1:]
asked = urllib.request.Request(url, headers={"Authorization": key})
with urllib.request.urlopen(asked) as answer:
    size = 0
    while piece := answer.read(1 << 16):
        size += len(piece)
print(size, flush=True)
"""


@dataclass(frozen=True)
class Round:
    """What a hundred callers saw of tasks that do nothing."""

    p99_s: float
    """The 99th percentile of their waits."""
    cpu_s: float
    """What each task took of the processors, in all nodes together."""


async def ask_around(nodes: list[Node], chance: random.Random) -> Round:
    """A round of a hundred callers at the first of the nodes."""
    until = time.monotonic() + ROUND_S
    waits: list[float] = []

    async def call() -> None:
        await asyncio.sleep(chance.random() * THINKS_S)
        while time.monotonic() < until:
            began = time.monotonic()
            answer = await nodes[0].submit("echo", input={"value": 1})
            assert answer.status == 200, answer.body
            waits.append(time.monotonic() - began)
            await asyncio.sleep(chance.expovariate(1 / THINKS_S))

    used_s = cpu_s(nodes)
    await asyncio.gather(*(call() for _ in range(CALLERS)))
    used_s = cpu_s(nodes) - used_s
    return Round(statistics.quantiles(waits, n=100)[98], used_s / len(waits))


def cpu_s(nodes: list[Node]) -> float:
    """What their processes have taken of the processors so far."""
    times = [psutil.Process(node.process.pid).cpu_times() for node in nodes]
    return sum(one.user + one.system for one in times)


async def felt(
    nodes: list[Node], trouble: Callable[[], AbstractAsyncContextManager[None]]
) -> Round:
    """By what factors the trouble raises these: the medians over pairs of rounds in turns.

    The machine has other work: while the waits' factor is too large, further pairs are measured.
    """
    chance = random.Random(7)
    waits: list[float] = []
    work: list[float] = []
    while len(waits) < PAIRS or (len(waits) < PAIRS_LIMIT and statistics.median(waits) > BOUND):
        alone = await ask_around(nodes, chance)
        async with trouble():
            beside = await ask_around(nodes, chance)
        waits.append(beside.p99_s / alone.p99_s)
        work.append(beside.cpu_s / alone.cpu_s)
    print(f"\nwaits {[f'{one:.2f}' for one in waits]}, work {[f'{one:.2f}' for one in work]}")
    return Round(statistics.median(waits), statistics.median(work))


@pytest.fixture
async def fleet(tmp_path: Path) -> AsyncIterator[list[Node]]:
    """A balancer and two workers as processes of their own; no slot of them is lost at the end."""
    async with nodes(tmp_path) as started:
        balancer = await started.balancer("balancer-1", HISTORY_LIMIT=REMEMBERED)
        workers = [
            await started.worker(f"worker-{number}", balancer, SLOTS=8, HISTORY_LIMIT=REMEMBERED)
            for number in (1, 2)
        ]
        await balancer.until_ready_workers(2)
        fleet = [balancer, *workers]
        yield fleet
        for node in fleet:
            await node.until_idle()


@pytest.mark.timeout(300)
async def test_a_caller_who_stops_reading_is_not_felt_by_a_hundred_others(
    fleet: list[Node],
) -> None:
    balancer = fleet[0]
    body = {"function": "talk", "input": {"pieces": 4000, "size": 16_384}, "mode": "stream"}

    @asynccontextmanager
    async def not_reading() -> AsyncIterator[None]:
        async with balancer.caller.post(f"{balancer.url}/task", json=body) as response:
            assert response.status == 200
            await response.content.read(1)
            yield
            # Its function is held up all the while, far from its end.
            assert (await balancer.get("/tasks", status="running", function="talk"))["total"] == 1
            response.close()
        await balancer.until_used(0)

    factors = await felt(fleet, not_reading)
    assert factors.p99_s <= BOUND
    # Waiting for him takes nothing, which shows when the machine's other work hides the waits.
    assert factors.cpu_s <= BOUND


@pytest.mark.timeout(300)
async def test_a_large_file_on_its_way_is_not_felt_by_a_hundred_others(
    fleet: list[Node], tmp_path: Path
) -> None:
    balancer = fleet[0]
    saved = await balancer.submit("save", input={"size": FILE_MIB * MIB})
    assert saved.status == 200, saved.body
    url = f"{balancer.url}/tasks/{saved.json['id']}/artifacts/file.bin"

    @asynccontextmanager
    async def fetching() -> AsyncIterator[None]:
        reader = Process(
            [sys.executable, "-c", READER, url, KEY], cwd=tmp_path, env=dict(os.environ)
        )

        try:
            yield
            assert await asyncio.to_thread(reader.wait) == 0
            assert reader.said == str(FILE_MIB * MIB)
        finally:
            if reader.runs:
                reader.kill()

    assert (await felt(fleet, fetching)).p99_s <= BOUND
