"""What one caller does is not felt by a hundred others, measured side by side in one run."""

import asyncio
import random
import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from tests.balancer.processes import Node, nodes
from tests.balancer.running import KEY

CALLERS = 100
THINKS_S = 0.25
ROUND_S = 2.0
PAIRS, PAIRS_LIMIT = 5, 20
BOUND = 1.5
MIB = 1024 * 1024
FILE_MIB = 50

# Fetches the file again and again; a process of its own, so that it and the callers do not wait for
# each other's event loop.
READER = """
import sys, urllib.request
url, key = sys.argv[1:]
asked = urllib.request.Request(url, headers={"Authorization": key})
while True:
    with urllib.request.urlopen(asked) as answer:
        size = 0
        while piece := answer.read(1 << 16):
            size += len(piece)
    print(size, flush=True)
"""


async def p99_s(balancer: Node, chance: random.Random) -> float:
    """The 99th percentile of what a hundred callers wait for tasks that do nothing, in a round."""
    until = time.monotonic() + ROUND_S
    waits: list[float] = []

    async def call() -> None:
        await asyncio.sleep(chance.random() * THINKS_S)
        while time.monotonic() < until:
            began = time.monotonic()
            answer = await balancer.submit("echo", input={"value": 1})
            assert answer.status == 200, answer.body
            waits.append(time.monotonic() - began)
            await asyncio.sleep(chance.expovariate(1 / THINKS_S))

    await asyncio.gather(*(call() for _ in range(CALLERS)))
    return statistics.quantiles(waits, n=100)[98]


async def felt(balancer: Node, trouble: Callable[[], AbstractAsyncContextManager[None]]) -> float:
    """By what factor the trouble raises that percentile, by the medians of rounds in turns.

    The machine has other work: rounds go on until the factor is small enough, or it is certain
    that it is not.
    """
    chance = random.Random(7)
    alone: list[float] = []
    beside: list[float] = []
    factor = 0.0
    while len(alone) < PAIRS_LIMIT:
        alone.append(await p99_s(balancer, chance))
        async with trouble():
            beside.append(await p99_s(balancer, chance))
        factor = statistics.median(beside) / statistics.median(alone)
        if len(alone) >= PAIRS and factor <= BOUND:
            break
    return factor


@pytest.fixture
async def fleet(tmp_path: Path) -> AsyncIterator[tuple[Node, list[Node]]]:
    """A balancer and two workers as processes of their own; no slot of them is lost at the end."""
    async with nodes(tmp_path) as started:
        balancer = await started.balancer("balancer-1")
        workers = [await started.worker(f"worker-{number}", balancer, SLOTS=8) for number in (1, 2)]
        await balancer.until_ready_workers(2)
        yield balancer, workers
        for node in (balancer, *workers):
            await node.until_idle()


@pytest.mark.timeout(300)
async def test_a_caller_who_stops_reading_is_not_felt_by_a_hundred_others(
    fleet: tuple[Node, list[Node]],
) -> None:
    balancer, _ = fleet
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

    assert await felt(balancer, not_reading) <= BOUND


@pytest.mark.timeout(300)
async def test_a_large_file_on_its_way_is_not_felt_by_a_hundred_others(
    fleet: tuple[Node, list[Node]],
) -> None:
    balancer, _ = fleet
    saved = await balancer.submit("save", input={"size": FILE_MIB * MIB})
    assert saved.status == 200, saved.body
    url = f"{balancer.url}/tasks/{saved.json['id']}/artifacts/file.bin"

    @asynccontextmanager
    async def fetching() -> AsyncIterator[None]:
        reader = await asyncio.create_subprocess_exec(
            sys.executable, "-c", READER, url, KEY, stdout=asyncio.subprocess.PIPE
        )
        assert reader.stdout is not None
        try:
            assert int(await reader.stdout.readline()) == FILE_MIB * MIB
            yield
            assert int(await reader.stdout.readline()) == FILE_MIB * MIB
        finally:
            reader.kill()
            await reader.wait()

    assert await felt(balancer, fetching) <= BOUND
