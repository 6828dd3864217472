"""Durable tasks on one database: rates of acceptance and completion, compared with bare loops."""

import asyncio
import random
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field

from bench.load import Connection, Load, ask, closed_load, connections, get, post, submit
from bench.no_browser import VALUE
from bench.pairs import Pair, cpu_us, per_s, percentile_ms
from bench.processes import Server, spawned
from bench.table import Row

CLIENTS = 16
"""Concurrent: durable tasks share commits, which a single client would not show."""
ACCEPTANCE_TARGET_MS = 60.0
SYNC_TARGET = 1.5
SYNC_CLIENTS = 2
WORK_MS = 50
"""About the time of a fast page."""
SYNC_ROUNDS = 2
"""Of `sync` tasks in each other round: with more rounds, load from outside spoils fewer."""
BUSY_START_S = 0.3
"""The start time of a bare interpreter."""
ACCEPTED = 202
WARM_UP_S = 2.0


@dataclass(frozen=True)
class Setting:
    """The measured servers: a worker, bare loops on the same kind of database, a receiver."""

    database: str
    worker: Server
    bare: Server
    webhook: str
    rounds: int
    seconds: float


async def measure(setting: Setting) -> list[Row]:
    """A row for each measurement, all taken in alternating rounds."""
    asked, hooked = request(), request(setting.webhook)
    for each in (asked, hooked):
        await _completed(setting.worker, each, WARM_UP_S)
    await _bare(setting, WARM_UP_S)
    accepted, completed, delivered = Pair(), Pair(), Pair()
    for _ in range(setting.rounds):
        ours, whole = await _completed(setting.worker, asked, setting.seconds)
        accepted.ours.append(ours)
        completed.ours.append(whole)
        accepted.bare.append(await _bare(setting, setting.seconds))
        completed.bare.append(accepted.bare[-1])
        delivered.ours.append((await _completed(setting.worker, hooked, setting.seconds))[1])
        delivered.bare.append(accepted.bare[-1])
    half = per_s(completed.ours) / 2
    calm = [await spread_load(setting.worker, half, setting.seconds) for _ in range(setting.rounds)]
    work, no_work = submit("nap", {"milliseconds": WORK_MS}), submit("echo", {"value": VALUE})
    cost_us = cpu_us(calm)
    worked = await _sync_beside(setting, half, cost_us, work)
    worked_not = await _sync_beside(setting, half, cost_us, no_work)
    return [
        *_accepting(setting.database, accepted),
        _ending(setting.database, "`async`, to the end", completed),
        _ending(setting.database, "`webhook`, to the delivery", delivered),
        _calm(setting.database, half, calm),
        *_sync(setting.database, f"of {WORK_MS} ms", SYNC_TARGET, worked),
        *_sync(setting.database, "of no work", None, worked_not),
    ]


def request(webhook: str | None = None) -> bytes:
    """One durable task without a browser."""
    mode: dict[str, object] = {"mode": "async"}
    if webhook is not None:
        mode = {"mode": "webhook", "webhook": {"url": webhook}}
    return submit("echo", {"value": VALUE}, **mode)


async def spread_load(server: Server, per_s: float, seconds: float) -> Load:
    """An open load: random arrivals (a Poisson process), independent of answers; waits for all."""
    chance = random.Random(1)  # the same arrivals in each run
    load, asked = Load(), request()
    idle: asyncio.Queue[Connection] = asyncio.Queue()

    async def one(connection: Connection, came: float) -> None:
        status, body = await connection.ask(asked)
        load.latencies_ms.append((time.perf_counter() - came) * 1000)
        if status != ACCEPTED:
            raise RuntimeError(f"the server answered {status}: {body.decode()}")
        idle.put_nowait(connection)

    async with connections(server, 4 * CLIENTS) as opened:
        for connection in opened:
            idle.put_nowait(connection)
        cpu_s = server.cpu_s()
        began = due = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            while due < began + seconds:
                await asyncio.sleep(due - time.perf_counter())
                # The latency counts from the arrival, not from the sending.
                group.create_task(one(await idle.get(), due))
                due += chance.expovariate(per_s)
    load.tasks = len(load.latencies_ms)
    load.elapsed_s = time.perf_counter() - began
    await _ended(server)
    load.cpu_s = server.cpu_s() - cpu_s
    return load


async def _completed(server: Server, asked: bytes, seconds: float) -> tuple[Load, Load]:
    """The load until acceptance, and until the end of the last task's delivery."""
    began = time.perf_counter()
    accepted = await closed_load(server, asked, clients=CLIENTS, seconds=seconds, expected=ACCEPTED)
    await _ended(server)
    return accepted, Load(accepted.tasks, time.perf_counter() - began)


async def _ended(server: Server) -> None:
    """Wait until no task is queued, running or to be delivered."""
    for path in ("/tasks?status=queued,running&limit=1", "/tasks?delivery=pending&limit=1"):
        while (await ask(server, get(path)))["total"]:  # noqa: ASYNC110  it is another process
            await asyncio.sleep(0.02)


async def _bare(setting: Setting, seconds: float) -> Load:
    answer = await ask(setting.bare, post("/run", {"tasks_at_once": 4, "seconds": seconds}))
    return Load(answer["tasks"], answer["elapsed_s"])


@dataclass(frozen=True)
class Beside:
    """Tasks of mode `sync`: alone, beside durable tasks, and beside a process with equal CPU use.

    That process is the lower bound: no code of the worker can make durable tasks cost less.
    """

    alone: list[Load] = field(default_factory=list)
    durable: list[Load] = field(default_factory=list)
    busy: list[Load] = field(default_factory=list)


async def _sync_beside(setting: Setting, rate: float, cpu_us: float, sync: bytes) -> Beside:
    """The three loads in turn, with durable tasks or bursts of CPU at that rate."""
    beside = Beside()
    for _ in range(setting.rounds * SYNC_ROUNDS):
        for loads, company in (
            (beside.alone, nullcontext()),
            (beside.durable, _durable(setting, rate)),
            (beside.busy, _busy(rate, cpu_us)),
        ):
            async with company:
                loads.append(
                    await closed_load(
                        setting.worker,
                        sync,
                        clients=SYNC_CLIENTS,
                        seconds=setting.seconds / SYNC_ROUNDS,
                    )
                )
    return beside


@asynccontextmanager
async def _durable(setting: Setting, rate: float) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        seconds = setting.seconds / SYNC_ROUNDS
        group.create_task(spread_load(setting.worker, rate, seconds))
        yield


@asynccontextmanager
async def _busy(rate: float, cpu_us: float) -> AsyncIterator[None]:
    command = [sys.executable, "-m", "bench.busy", str(rate), str(cpu_us / 1000)]
    async with spawned(command, {}):
        await asyncio.sleep(BUSY_START_S)
        yield


def _accepting(database: str, pair: Pair) -> list[Row]:
    p50_ms, p99_ms = (f"{percentile_ms(pair.ours, percent):.1f}" for percent in (50, 99))
    return [
        Row(
            f"{database}: accepted/s, {CLIENTS} clients; beside: single inserts/s in 4 threads",
            f"{per_s(pair.ours):,.0f}",
            f"{per_s(pair.bare):,.0f}",
            f"{pair.rate_ratio():.2f}",
        ),
        Row(f"{database}: the same, p50, ms", p50_ms),
        Row(f"{database}: the same, p99, ms", p99_ms),
    ]


def _ending(database: str, what: str, pair: Pair) -> Row:
    return Row(
        f"{database}: {what}, tasks/s; beside: single inserts/s in 4 threads",
        f"{per_s(pair.ours):,.0f}",
        f"{per_s(pair.bare):,.0f}",
        f"{pair.rate_ratio():.2f}",
    )


def _calm(database: str, rate: float, loads: list[Load]) -> Row:
    p99_ms = percentile_ms(loads, 99)
    return Row(
        f"{database}: p99 of acceptance at half load ({rate:,.0f}/s), ms; beside: p50",
        f"{p99_ms:.1f}",
        f"{percentile_ms(loads, 50):.1f}",
        "",
        f"under {ACCEPTANCE_TARGET_MS:g} ms",
        p99_ms < ACCEPTANCE_TARGET_MS,
    )


def _sync(database: str, what: str, target: float | None, beside: Beside) -> list[Row]:
    alone_ms = percentile_ms(beside.alone, 99)
    durable_ms, busy_ms = (percentile_ms(loads, 99) for loads in (beside.durable, beside.busy))
    ratio, floor = durable_ms / alone_ms, busy_ms / alone_ms
    name = f"{database}: p99 of `sync` tasks {what}"
    return [
        Row(
            f"{name} while durable ones run at half load, ms; beside: without",
            f"{durable_ms:.1f}",
            f"{alone_ms:.1f}",
            f"{ratio:.2f}",
            "" if target is None else f"at most {target}",
            None if target is None else ratio <= target,
        ),
        Row(
            f"{name} while another process uses the CPU of those, ms; beside: without",
            f"{busy_ms:.1f}",
            f"{alone_ms:.1f}",
            f"{floor:.2f}",
        ),
    ]
