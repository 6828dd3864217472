"""What a balancer costs a task that does nothing: beside the worker alone, and beside proxies."""

import random
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from statistics import median

from bench.balancing.callers import by_the_clock, percentile, poisson
from bench.balancing.fleet import RunningFleet
from bench.balancing.others import PROXIES, proxy
from bench.load import Load, closed_load, submit
from bench.no_browser import VALUE
from bench.pairs import Pair, cpu_us, per_s
from bench.processes import Server, started
from bench.table import Row

CLIENTS = 32
"""Enough for the process in front to be busy nine tenths of the time."""
FEWER_AND_MORE = (16, 64)
"""Told beside it: with few, processes wait for each other; with many, more is done at once."""
RUN_IN_S = 0.1
"""Load that is not counted before each that is: caches and clocks are as another left them."""
TARGET = 1.0
ADDED_MS = {50: 3.0, 99: 10.0}
REQUEST = submit("echo", {"value": VALUE})


@asynccontextmanager
async def fronts(worker: Server) -> AsyncIterator[dict[str, Server | None]]:
    """Proxies in front of the worker: aiohttp's, and of the others those that are here."""
    async with AsyncExitStack() as stack:
        upstream = {"UPSTREAM": f"http://127.0.0.1:{worker.port}"}
        bare = await stack.enter_async_context(started("bench.balancing.proxy", upstream))
        found: dict[str, Server | None] = {"aiohttp": bare}
        for name in PROXIES:
            found[name] = await stack.enter_async_context(proxy(name, worker))
        yield found


async def measure(
    fleet: RunningFleet, fronts: Mapping[str, Server | None], *, rounds: int, seconds: float
) -> list[Row]:
    """Both measurements, of a fleet of one worker that has a slot for each client."""
    (worker,), bare = fleet.workers, fronts["aiohttp"]
    assert bare is not None
    servers = {"balancer": fleet.balancer} | {
        name: server for name, server in fronts.items() if server is not None
    }
    pairs = {name: Pair() for name in servers}
    others = {clients: Pair() for clients in FEWER_AND_MORE}
    for server in (worker, *servers.values()):
        await closed_load(server, REQUEST, clients=CLIENTS, seconds=1)
    chance = random.Random(1)
    for _ in range(rounds):
        loads = await _in_turn(servers, chance, clients=CLIENTS, seconds=seconds)
        for name, pair in pairs.items():
            pair.ours.append(loads["balancer"])
            pair.bare.append(loads[name])
        for clients, pair in others.items():
            both = {"balancer": fleet.balancer, "aiohttp": bare}
            loads = await _in_turn(both, chance, clients=clients, seconds=seconds)
            pair.ours.append(loads["balancer"])
            pair.bare.append(loads["aiohttp"])
    rows = _throughput(pairs, pairs["aiohttp"], others)
    rows += [
        Row(f"the same, against {name}", "", "not installed here")
        for name, server in fronts.items()
        if server is None
    ]
    half = per_s(pairs["aiohttp"].ours) / 2
    return rows + await _added(fleet.balancer, worker, rate=half, rounds=rounds, seconds=seconds)


async def _in_turn(
    servers: Mapping[str, Server], chance: random.Random, *, clients: int, seconds: float
) -> dict[str, Load]:
    """A load of each, in an order of chance: nobody always comes behind the same other."""
    loads = {}
    for name in chance.sample(sorted(servers), len(servers)):
        await closed_load(servers[name], REQUEST, clients=clients, seconds=RUN_IN_S)
        loads[name] = await closed_load(servers[name], REQUEST, clients=clients, seconds=seconds)
    return loads


def _throughput(pairs: Mapping[str, Pair], bare: Pair, others: Mapping[int, Pair]) -> list[Row]:
    ratio = bare.rate_ratio()
    rows = [
        Row(
            f"no-op: tasks/s of one balancer, {CLIENTS} clients, against aiohttp's client as a "
            "reverse proxy",
            f"{per_s(bare.ours):,.0f}",
            f"{per_s(bare.bare):,.0f}",
            f"{ratio:.2f}",
            f"at least {TARGET}",
            ratio >= TARGET,
        ),
        *(
            Row(
                f"the same with {clients} clients",
                f"{per_s(pair.ours):,.0f}",
                f"{per_s(pair.bare):,.0f}",
                f"{pair.rate_ratio():.2f}",
            )
            for clients, pair in others.items()
        ),
        Row(
            "no-op: CPU for each of the process alone, µs",
            f"{cpu_us(bare.ours):.0f}",
            f"{cpu_us(bare.bare):.0f}",
            f"{bare.cpu_ratio():.2f}",
        ),
    ]
    rows += [
        Row(
            f"with {CLIENTS} clients, against {name}: tasks/s",
            f"{per_s(pair.ours):,.0f}",
            f"{per_s(pair.bare):,.0f}",
            f"{pair.rate_ratio():.2f}",
        )
        for name, pair in pairs.items()
        if name in PROXIES
    ]
    return rows


async def _added(
    through: Server, direct: Server, *, rate: float, rounds: int, seconds: float
) -> list[Row]:
    """What the balancer adds to an answer's time, in rounds side by side."""
    count = int(rate * seconds)
    latencies: dict[Server, list[list[float]]] = {through: [], direct: []}
    for _ in range(rounds):
        for server, of_rounds in latencies.items():
            answers = await by_the_clock(server, [REQUEST] * count, poisson(rate, count))
            of_rounds.append([answer.latency_ms for answer in answers])
    rows = []
    for percent, target in ADDED_MS.items():
        ours, alone = (
            [percentile(one, percent) for one in latencies[server]] for server in (through, direct)
        )
        added = median(one - other for one, other in zip(ours, alone, strict=True))
        rows.append(
            Row(
                f"no-op at half load ({rate:,.0f} a second): p{percent} through the balancer, ms; "
                "beside: at the worker itself; ratio: what is added, ms",
                f"{median(ours):.2f}",
                f"{median(alone):.2f}",
                f"{added:.2f}",
                f"at most {target:.0f} ms",
                added <= target,
            )
        )
    return rows
