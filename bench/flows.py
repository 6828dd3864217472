"""`python -m bench.flows [--quick]`: what a flow costs beside the same tasks by themselves."""

import asyncio
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from bench.load import ask, connections, get, post, submit
from bench.measuring import main
from bench.processes import KEY, Server, balancer, worker
from bench.table import Row

SLOTS = 8
FUNCTIONS = Path(__file__).parent / "functions"
STEP_MS = 200
IDLE = 0.05
"""Share of a fan-out's run in which slots may be idle."""
CPU_MS = 10.0
"""CPU of the balancer for each step."""
ACCEPTED = 202
AT_ONCE = 1000
"""Most tasks of one batch."""


async def run(folder: Path, *, quick: bool, say: Callable[[str], None]) -> list[Row]:
    """Every measurement, one after the other; `folder` is for the nodes' files."""
    count = 200 if quick else 1000
    async with balancer(folder / "balancer", FUNCTIONS_DIR=str(FUNCTIONS)) as node:
        env = {"BALANCER_URL": f"http://127.0.0.1:{node.port}", "BALANCER_KEY": KEY}
        async with worker(folder / "worker", FUNCTIONS, slots=SLOTS, **env):
            while not (await ask(node, get("/workers?status=ready")))["total"]:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
            say(f"{count} steps of {STEP_MS} ms over {SLOTS} slots")
            rows = [await _idle_gap(node, count)]
            say(f"{count} steps beside as many tasks")
            return [*rows, await _cost(node, count)]


async def _idle_gap(node: Server, count: int) -> Row:
    elapsed_s, _ = await _flow(node, count, STEP_MS)
    busy_s = count * STEP_MS / 1000 / SLOTS
    gap = 1 - busy_s / elapsed_s
    return Row(
        f"flow of {count} steps of {STEP_MS} ms over {SLOTS} slots, s; all slots always busy",
        f"{elapsed_s:.2f}",
        f"{busy_s:.2f}",
        f"idle {gap:.1%}",
        f"at most {IDLE:.0%}",
        gap <= IDLE,
    )


async def _cost(node: Server, count: int) -> Row:
    _, flow_s = await _flow(node, count, 0)
    tasks_s = await _tasks(node, count)
    ours, beside = flow_s / count * 1000, tasks_s / count * 1000
    return Row(
        "CPU of the balancer for each step of a flow, SQLite, ms; for a durable task",
        f"{ours:.1f}",
        f"{beside:.1f}",
        f"adds {ours - beside:.1f}",
        f"at most {CPU_MS:g}",
        ours <= CPU_MS,
    )


async def _flow(node: Server, count: int, milliseconds: int) -> tuple[float, float]:
    """Seconds that a flow of so many steps took, and CPU seconds of the balancer."""
    cpu_s, began = node.cpu_s(), time.perf_counter()
    given = {"count": count, "milliseconds": milliseconds}
    answer = await ask(node, submit("fan_out", given))
    assert answer["result"] == count, answer
    return time.perf_counter() - began, node.cpu_s() - cpu_s


async def _tasks(node: Server, count: int) -> float:
    """CPU seconds of the balancer for so many durable tasks."""
    cpu_s = node.cpu_s()
    one = {"function": "nap", "input": {"milliseconds": 0}, "mode": "async"}
    async with connections(node, 1) as (connection,):
        for first in range(0, count, AT_ONCE):
            batch = {"tasks": [one] * min(AT_ONCE, count - first)}
            status, body = await connection.ask(post("/tasks", batch))
            assert status == ACCEPTED, body
        while await _left(connection):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    return node.cpu_s() - cpu_s


async def _left(connection: Any) -> int:
    _, body = await connection.ask(get("/tasks?status=queued,running&limit=1"))
    return int(orjson.loads(body)["total"])


if __name__ == "__main__":
    sys.exit(main(run, module="bench.flows", about=__doc__, quick="a fifth of the steps"))
