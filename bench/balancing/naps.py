"""Waits of tasks and idle times of slots, in a fleet of real processes with tasks that sleep."""

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from statistics import mean

from bench.balancing.callers import (
    Answer,
    by_the_clock,
    one_after_the_other,
    percentile,
    poisson,
)
from bench.balancing.fleet import RunningFleet
from bench.load import ask, get, submit
from bench.processes import Server
from bench.simulation.jobs import Job
from bench.simulation.optimum import central_queue
from bench.simulation.slotgrid_fleet import Network, simulate
from bench.table import Row

MEAN_S = 0.2
LOAD = 0.9
WAIT_TARGET = 1.25
FRESH_TARGET_MS = 20.0
IDLE_TARGET_MS = 10.0


@dataclass(frozen=True, slots=True)
class Nap:
    """The times of one task from its answer: monotonic clock, in seconds."""

    asked: float
    answered: float
    worker: str
    waited_s: float
    """From its acceptance to its slot, measured by the balancer."""
    held_s: float
    """From its slot to its end, measured by the balancer: includes the way there and back."""
    began: float
    ended: float

    @classmethod
    def of(cls, answer: Answer) -> "Nap":
        """Parse an answer of mode `sync`."""
        told = answer.json()
        began, ended = told["result"]
        return cls(
            asked=answer.asked,
            answered=answer.answered,
            worker=told["worker"],
            waited_s=told["queued_ms"] / 1000,
            held_s=told["run_ms"] / 1000,
            began=began,
            ended=ended,
        )


def requests(count: int, seconds: Callable[[random.Random], float]) -> list[bytes]:
    """`count` tasks, the same ones in each run."""
    chance = random.Random(2)
    return [submit("timed_nap", {"seconds": seconds(chance)}) for _ in range(count)]


def exponential(chance: random.Random) -> float:
    """Durations as Erlang's formulas assume them."""
    return chance.expovariate(1 / MEAN_S)


def constant(_: random.Random) -> float:
    """Equal durations: tasks wait half as long, so a delay is twice as visible."""
    return MEAN_S


SERVICES: dict[str, Callable[[random.Random], float]] = {
    "exponential": exponential,
    "constant": constant,
}


async def measure_waits(fleet: RunningFleet, service: str, *, tasks: int) -> list[Row]:
    """The mean wait, compared with that of the same tasks in the simulation.

    The simulation uses the measured arrivals, durations and time to the workers and back.
    """
    per_s = LOAD * fleet.total_slots / MEAN_S
    asked = requests(tasks, SERVICES[service])
    answers = await by_the_clock(fleet.balancer, asked, poisson(per_s, tasks))
    naps = sorted(map(Nap.of, answers), key=lambda nap: nap.asked)
    jobs = [Job(nap.asked - naps[0].asked, nap.ended - nap.began) for nap in naps]
    there_and_back_s = mean(nap.held_s - (nap.ended - nap.began) for nap in naps)
    network = Network(there_and_back_s / 2, there_and_back_s / 2)
    # In a thread, as it runs an event loop with simulated time.
    outcome = await asyncio.to_thread(
        simulate, jobs, workers=len(fleet.workers), slots=fleet.slots, network=network
    )
    waited_ms = mean(nap.waited_s for nap in naps) * 1000
    simulated_ms = (mean(outcome.waits) - network.dispatch_s) * 1000
    best_ms = mean(central_queue(jobs, slots=fleet.total_slots)) * 1000
    ratio = waited_ms / simulated_ms
    what = f"{tasks:,} tasks of {MEAN_S * 1000:.0f} ms ({service}) at load {LOAD}"
    return [
        Row(
            f"{what}: mean wait, ms; beside: the same tasks in the simulation",
            f"{waited_ms:.2f}",
            f"{simulated_ms:.2f}",
            f"{ratio:.3f}",
            f"at most {WAIT_TARGET}",
            ratio <= WAIT_TARGET,
        ),
        Row(
            "the same; beside: one queue in front of all slots, and no way to go",
            f"{waited_ms:.2f}",
            f"{best_ms:.2f}",
            f"{waited_ms / best_ms:.3f}",
        ),
        Row(
            "the way from the balancer's slot to the function and back, mean, ms",
            f"{there_and_back_s * 1000:.2f}",
        ),
    ]


async def measure_freshness(fleet: RunningFleet, *, tasks: int) -> list[Row]:
    """From a function's end to the balancer's answer, which follows the report of the free slot."""
    per_s = 0.5 * fleet.total_slots / MEAN_S
    asked = requests(tasks, exponential)
    answers = await by_the_clock(fleet.balancer, asked, poisson(per_s, tasks))
    late_ms = [(nap.answered - nap.ended) * 1000 for nap in map(Nap.of, answers)]
    return [
        Row(
            "a slot's end to its caller's answer, which comes after the balancer knows, at half "
            "load, p99, ms; beside: p50",
            f"{percentile(late_ms, 99):.2f}",
            f"{percentile(late_ms, 50):.2f}",
            "",
            f"under {FRESH_TARGET_MS:.0f} ms",
            percentile(late_ms, 99) < FRESH_TARGET_MS,
        )
    ]


async def measure_direct_freshness(fleet: RunningFleet, *, rounds: int) -> list[Row]:
    """From the end of a task that was sent directly to a worker to the start of the next task.

    Direct callers take every slot of the worker, and a task waits for it at the balancer.
    """
    worker, chance = fleet.workers[0], random.Random(3)
    there = get("/workers/worker-0")

    async def nap(node: Server, seconds: float, **fields: object) -> tuple[float, float]:
        told = await ask(node, submit("timed_nap", {"seconds": seconds}, **fields))
        began, ended = told["result"]
        return began, ended

    gaps_ms: list[float] = []
    for _ in range(rounds):
        direct = [
            asyncio.ensure_future(nap(worker, MEAN_S + exponential(chance)))
            for _ in range(fleet.slots)
        ]
        while (await ask(fleet.balancer, there))["worker"]["slots"]["available"]:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        asked = time.monotonic()
        start, _ = await nap(fleet.balancer, 0.0, place={"worker": "worker-0"})
        ends = [ended for _, ended in await asyncio.gather(*direct)]
        if min(ends) > asked + 0.02:  # only rounds in which the task waited at the balancer
            gaps_ms.append((start - min(ends)) * 1000)
    return [
        Row(
            "a slot's end, of a caller who went past the balancer, to the start of the task that "
            "waits there, p99, ms; beside: p50",
            f"{percentile(gaps_ms, 99):.2f}",
            f"{percentile(gaps_ms, 50):.2f}",
            "",
            f"under {FRESH_TARGET_MS:.0f} ms",
            percentile(gaps_ms, 99) < FRESH_TARGET_MS,
        )
    ]


async def measure_idle_gap(fleet: RunningFleet, *, tasks: int) -> list[Row]:
    """How long a slot is idle between two tasks while the queue is never empty."""
    clients = fleet.total_slots * 2
    answers = await one_after_the_other(
        fleet.balancer, requests(tasks, exponential), clients=clients
    )
    naps = [Nap.of(answer) for answer in answers]
    last = max(nap.asked for nap in naps)  # afterwards the queue is empty
    gaps_ms = [gap * 1000 for gap in idle_gaps_s(naps, slots=fleet.slots, until=last)]
    return [
        Row(
            f"a slot's idle gap between two tasks, {clients} callers for {fleet.total_slots} "
            "slots, p99, ms; beside: p50",
            f"{percentile(gaps_ms, 99):.2f}",
            f"{percentile(gaps_ms, 50):.2f}",
            "",
            f"under {IDLE_TARGET_MS:.0f} ms",
            percentile(gaps_ms, 99) < IDLE_TARGET_MS,
        )
    ]


def idle_gaps_s(naps: list[Nap], *, slots: int, until: float) -> list[float]:
    """Times from the end of a function to the next start in its slot, for starts before `until`.

    A worker's slots are taken in the order in which they become free, so the n-th end of a worker
    belongs to its start number n + slots.
    """
    began, ended = defaultdict(list), defaultdict(list)
    for nap in naps:
        began[nap.worker].append(nap.began)
        ended[nap.worker].append(nap.ended)
    return [
        start - end
        for worker, starts in began.items()
        for end, start in zip(sorted(ended[worker]), sorted(starts)[slots:], strict=False)
        if start < until
    ]
