"""A balancer's overhead on an empty task, compared with the worker alone and with proxies."""

import random
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from statistics import median

from bench.balancing.callers import by_the_clock, percentile, poisson
from bench.balancing.fleet import RunningFleet, fleet
from bench.balancing.others import PROXIES, proxy
from bench.load import Load, closed_load, submit
from bench.no_browser import VALUE
from bench.pairs import Pair, cpu_us, per_s
from bench.processes import Server, started
from bench.table import Row

CLIENTS = 32
"""Enough to keep the process in front busy for nine tenths of the time."""
FEWER_AND_MORE = (16, 64)
"""Also measured: with few clients, processes wait for each other; with many, work is batched."""
RUN_IN_S = 0.1
"""Warm-up before each measured load: the load before it has left other caches and clocks."""
TARGET = 0.9
ADDED_MS = {50: 3.0, 99: 10.0}
REQUEST = submit("echo", {"value": VALUE})


@asynccontextmanager
async def fronts(worker: Server) -> AsyncIterator[dict[str, Server | None]]:
    """Proxies in front of the worker: aiohttp's, and the installed ones of `PROXIES`."""
    async with AsyncExitStack() as stack:
        upstream = {"UPSTREAM": f"http://127.0.0.1:{worker.port}"}
        bare = await stack.enter_async_context(started("bench.balancing.proxy", upstream))
        found: dict[str, Server | None] = {"aiohttp": bare}
        for name in PROXIES:
            found[name] = await stack.enter_async_context(proxy(name, worker))
        yield found


async def measure(folder: Path, *, starts: int, rounds: int, seconds: float) -> list[Row]:
    """Both measurements, `rounds` rounds each, with a balancer of one worker and the proxies.

    All processes are restarted `starts` times: the speed of one program differs by a twentieth
    between starts, however long each is measured.
    """
    found, chance = _Found(), random.Random(1)
    for number in range(starts):
        async with (
            fleet(folder / str(number), workers=1, slots=max(CLIENTS, *FEWER_AND_MORE)) as nodes,
            fronts(nodes.workers[0]) as others,
        ):
            await found.measure(nodes, others, chance, rounds=rounds, seconds=seconds)
    return found.rows()


class _Found:
    """The measurements so far."""

    def __init__(self) -> None:
        self._pairs: dict[str, Pair] = {}
        self._others = {clients: Pair() for clients in FEWER_AND_MORE}
        self._rates: list[float] = []
        #: per round: latencies in milliseconds through the balancer, and at the worker itself
        self._latencies: list[tuple[list[float], list[float]]] = []

    async def measure(
        self,
        nodes: RunningFleet,
        others: Mapping[str, Server | None],
        chance: random.Random,
        *,
        rounds: int,
        seconds: float,
    ) -> None:
        """Add `rounds` rounds of each, with one worker that has a slot for each client."""
        (worker,) = nodes.workers
        servers = {"balancer": nodes.balancer} | {
            name: server for name, server in others.items() if server is not None
        }
        both = {name: servers[name] for name in ("balancer", "aiohttp")}
        for server in (worker, *servers.values()):
            await closed_load(server, REQUEST, clients=CLIENTS, seconds=1)
        ours = []
        for _ in range(rounds):
            loads = await _in_turn(servers, chance, clients=CLIENTS, seconds=seconds)
            ours.append(loads["balancer"])
            for name in others:
                pair = self._pairs.setdefault(name, Pair())
                if name in loads:
                    pair.ours.append(loads["balancer"])
                    pair.bare.append(loads[name])
            for clients, pair in self._others.items():
                loads = await _in_turn(both, chance, clients=clients, seconds=seconds)
                pair.ours.append(loads["balancer"])
                pair.bare.append(loads["aiohttp"])
        half = per_s(ours) / 2
        self._rates.append(half)
        count = int(half * seconds)
        for _ in range(rounds):
            of_round = []
            for server in (nodes.balancer, worker):
                answers = await by_the_clock(server, [REQUEST] * count, poisson(half, count))
                of_round.append([answer.latency_ms for answer in answers])
            self._latencies.append((of_round[0], of_round[1]))

    def rows(self) -> list[Row]:
        """The rows of both measurements."""
        return [
            *_throughput(self._pairs, self._others),
            *_added(self._latencies, rate=median(self._rates)),
        ]


async def _in_turn(
    servers: Mapping[str, Server], chance: random.Random, *, clients: int, seconds: float
) -> dict[str, Load]:
    """A load of each server, in random order, so that none always follows the same other."""
    loads = {}
    for name in chance.sample(sorted(servers), len(servers)):
        await closed_load(servers[name], REQUEST, clients=clients, seconds=RUN_IN_S)
        loads[name] = await closed_load(servers[name], REQUEST, clients=clients, seconds=seconds)
    return loads


def _throughput(pairs: Mapping[str, Pair], others: Mapping[int, Pair]) -> list[Row]:
    bare = pairs["aiohttp"]
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
    for name in PROXIES:
        what, pair = f"with {CLIENTS} clients, against {name}: tasks/s", pairs[name]
        if not pair.bare:
            rows.append(Row(what, "", "not installed here"))
            continue
        rates = f"{per_s(pair.ours):,.0f}", f"{per_s(pair.bare):,.0f}"
        rows.append(Row(what, *rates, f"{pair.rate_ratio():.2f}"))
    return rows


def _added(latencies: list[tuple[list[float], list[float]]], *, rate: float) -> list[Row]:
    """The latency that the balancer adds to an answer, by rounds."""
    rows = []
    for percent, target in ADDED_MS.items():
        ours, alone = (
            [percentile(of_round[side], percent) for of_round in latencies] for side in (0, 1)
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
