"""Nobody starves beside a caller who asks for much. How long they wait: `bench.balancer`."""

import asyncio
import os
import random
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from tests.harness.environment import KEY
from tests.harness.processes.nodes import Node, nodes
from tests.harness.processes.process import Process

CALLERS = 100
THINKS_S = 0.25
ROUND_S = 2.0
ANSWERS = 3
"""Each caller is answered so often at least, however slow the machine is."""
IDLE_CPU = 0.5
"""Cores that three nodes use together at most, while no task of theirs can do anything."""
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


async def ask_around(nodes: list[Node]) -> None:
    """A hundred callers at the first of the nodes, who think in between: each is answered."""
    chance = random.Random(7)
    until = time.monotonic() + ROUND_S

    async def call() -> None:
        answers = 0
        while answers < ANSWERS or time.monotonic() < until:
            await asyncio.sleep(chance.expovariate(1 / THINKS_S))
            answer = await nodes[0].submit("echo", input={"value": answers})
            assert answer.status == 200, answer.body
            assert answer.json["result"] == answers
            answers += 1

    await asyncio.gather(*(call() for _ in range(CALLERS)))


def cpu_s(nodes: list[Node]) -> float:
    """The CPU time that the nodes have used so far."""
    times = [psutil.Process(node.process.pid).cpu_times() for node in nodes]
    return sum(one.user + one.system for one in times)


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


async def test_a_hundred_callers_are_answered_beside_one_who_stops_reading(
    fleet: list[Node],
) -> None:
    balancer = fleet[0]
    body = {"function": "talk", "input": {"pieces": 4000, "size": 16_384}, "mode": "stream"}

    async with balancer.caller.post(f"{balancer.url}/task", json=body) as response:
        assert response.status == 200
        await response.content.read(1)
        await ask_around(fleet)
        used_s = cpu_s(fleet)
        await asyncio.sleep(ROUND_S)
        assert cpu_s(fleet) - used_s < IDLE_CPU * ROUND_S  # nodes wait for the reader, not poll
        # Its function was held up all the while, far from its end.
        assert (await balancer.get("/tasks", status="running", function="talk"))["total"] == 1
        response.close()
    await balancer.until_used(0)


async def test_a_hundred_callers_are_answered_beside_a_large_file_on_its_way(
    fleet: list[Node], tmp_path: Path
) -> None:
    balancer = fleet[0]
    saved = await balancer.submit("save", input={"size": FILE_MIB * MIB})
    assert saved.status == 200, saved.body
    url = f"{balancer.url}/tasks/{saved.json['id']}/artifacts/file.bin"
    reader = Process([sys.executable, "-c", READER, url, KEY], cwd=tmp_path, env=dict(os.environ))
    try:
        await ask_around(fleet)
        assert await asyncio.to_thread(reader.wait) == 0
        assert reader.said == str(FILE_MIB * MIB)
    finally:
        if reader.runs:
            reader.kill()
