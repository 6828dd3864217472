"""How much a demanding caller slows down a hundred others, in rounds with and without it."""

import asyncio
import random
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from statistics import median

import orjson
from aiohttp import ClientSession

from bench.balancing.callers import percentile
from bench.balancing.fleet import RunningFleet
from bench.load import OK, Connection, connections, submit
from bench.processes import KEY, Server, spawned
from bench.table import Row

CALLERS = 100
THINKS_S = 0.25
TARGET = 1.5
MIB = 1024 * 1024
FILE_MIB = 50
REQUEST = submit("echo", {"value": {}})
TALK = {"function": "talk", "input": {"pieces": 4000, "size": 16_384}, "mode": "stream"}
# A process of its own, so that its reading delays no caller of this one.
READER = """
import sys, urllib.request
url, key = sys.argv[1:]
asked = urllib.request.Request(url, headers={"Authorization": key})
with urllib.request.urlopen(asked) as answer:
    while answer.read(1 << 16):
        pass
"""
Trouble = Callable[[Server], AbstractAsyncContextManager[None]]


@dataclass(frozen=True, slots=True)
class Round:
    """The waits of the callers, and the CPU of all nodes for each of their tasks."""

    p99_ms: float
    cpu_us: float


async def measure(fleet: RunningFleet, *, pairs: int, seconds: float) -> list[Row]:
    """Medians over pairs of rounds, which alternate: other load of the host affects both alike."""
    rows: list[Row] = []
    for what, trouble in (
        ("a stream whose caller has stopped reading", not_reading),
        (f"a file of {FILE_MIB} MiB on its way", fetching),
    ):
        chance = random.Random(7)
        alone: list[Round] = []
        beside: list[Round] = []
        for _ in range(pairs):
            alone.append(await _round(fleet, chance, seconds))
            async with trouble(fleet.balancer):
                beside.append(await _round(fleet, chance, seconds))
        rows.append(_row(f"p99 of {CALLERS} callers beside {what}, ms", alone, beside, "p99_ms"))
        rows.append(_row("the same, CPU of all nodes for each task, µs", alone, beside, "cpu_us"))
    return rows


def _row(what: str, alone: list[Round], beside: list[Round], name: str) -> Row:
    pairs = [
        (getattr(one, name), getattr(other, name)) for one, other in zip(alone, beside, strict=True)
    ]
    ratio = median(troubled / quiet for quiet, troubled in pairs)
    return Row(
        f"{what}; beside: without it",
        f"{median(troubled for _, troubled in pairs):.2f}",
        f"{median(quiet for quiet, _ in pairs):.2f}",
        f"{ratio:.2f}",
        f"at most {TARGET}",
        ratio <= TARGET,
    )


async def _round(fleet: RunningFleet, chance: random.Random, seconds: float) -> Round:
    waits_ms: list[float] = []
    until = time.monotonic() + seconds

    async def call(connection: Connection) -> None:
        await asyncio.sleep(chance.random() * THINKS_S)
        while time.monotonic() < until:
            asked = time.monotonic()
            status, body = await connection.ask(REQUEST)
            if status != OK:
                raise RuntimeError(f"the server answered {status}: {body.decode(errors='replace')}")
            waits_ms.append((time.monotonic() - asked) * 1000)
            await asyncio.sleep(chance.expovariate(1 / THINKS_S))

    used_s = _cpu_s(fleet)
    async with connections(fleet.balancer, CALLERS) as opened, asyncio.TaskGroup() as group:
        for connection in opened:
            group.create_task(call(connection))
    return Round(percentile(waits_ms, 99), (_cpu_s(fleet) - used_s) / len(waits_ms) * 1e6)


def _cpu_s(fleet: RunningFleet) -> float:
    return sum(server.cpu_s() for server in (fleet.balancer, *fleet.workers))


@asynccontextmanager
async def not_reading(balancer: Server) -> AsyncIterator[None]:
    """A stream of 64 MiB, of which only the first byte is read while the block runs."""
    url = f"http://127.0.0.1:{balancer.port}/task"
    async with (
        ClientSession(headers={"Authorization": KEY}) as caller,
        caller.post(url, json=TALK) as response,
    ):
        response.raise_for_status()
        await response.content.read(1)
        yield
        response.close()


@asynccontextmanager
async def fetching(balancer: Server) -> AsyncIterator[None]:
    """A large file, of which a process fetches as much as it can while the block runs."""
    async with connections(balancer, 1) as (connection,):
        _, saved = await connection.ask(submit("save", {"size": FILE_MIB * MIB}))
    path = f"/tasks/{orjson.loads(saved)['id']}/artifacts/file.bin"
    url = f"http://127.0.0.1:{balancer.port}{path}"
    async with spawned([sys.executable, "-c", READER, url, KEY], {}) as reader:
        yield
        if await reader.wait() != 0:
            raise RuntimeError("the file could not be fetched")
