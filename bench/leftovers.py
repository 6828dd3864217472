"""Checks for leaks after many browser tasks, some of which crash their tab or never end."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from bench.load import ask, ask_all, get, submit
from bench.processes import Server
from bench.table import Row
from slotgrid.runtime.memory_usage import tree_memory_mb

FIRST = 100
GROWTH = 1.10
ONE_IN = 20
"""5 % of the tasks crash or hang."""
STATUS = {"end": 200, "crash": 500, "hang": 504}
QUIET_S = 60.0
SAMPLES = 10


@dataclass(frozen=True)
class Rest:
    """An idle worker, as measured from outside and as reported by itself."""

    memory_mb: float
    processes: int
    folders: int
    slots: int
    contexts: int


async def measure(worker: Server, data_dir: Path, url: str, *, slots: int, tasks: int) -> list[Row]:
    """Run the first hundred tasks, then the others; measure the idle worker after each part."""
    plan = list(islice(_endings(), tasks))
    first = await _batch(worker, data_dir, url, plan[:FIRST], slots=slots)
    last = await _batch(worker, data_dir, url, plan[FIRST:], slots=slots)
    growth = last.memory_mb / first.memory_mb
    wrong = sum(ending != "end" for ending in plan)
    leaks = [
        last.processes - first.processes, last.contexts, last.slots, last.folders - first.folders
    ]  # fmt: skip
    return [
        Row(
            f"left by {tasks:,} browser tasks, {wrong} of which crash or time out: "
            "processes, contexts, slots, temporary folders",
            " ".join(map(str, leaks)),
            target="none",
            met=leaks == [0, 0, 0, 0],
        ),
        Row(
            f"memory (PSS) of the process tree at the end, MB; beside: after the first {FIRST}",
            f"{last.memory_mb:.0f}",
            f"{first.memory_mb:.0f}",
            f"{growth:.2f}",
            f"at most {GROWTH:.2f}",
            growth <= GROWTH,
        ),
    ]


def measure_end(tree: list[psutil.Process], folder: Path) -> Row:
    """Leftovers after the worker has ended; `tree` are its former processes."""
    alive = [p for p in tree if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
    folders = [*(folder / "data/tmp").glob("*"), *(folder / "tmp").glob("*")]
    left = [len(alive), len(folders)]
    return Row(
        "left when the worker has ended: processes, temporary folders",
        " ".join(map(str, left)),
        target="none",
        met=left == [0, 0],
    )


def tree_of(worker: Server) -> list[psutil.Process]:
    """The worker's process and all its descendants."""
    root = psutil.Process(worker.pid)
    return [root, *root.children(recursive=True)]


def _endings() -> Iterator[str]:
    """The planned ending of each task, in order."""
    number = 0
    while True:
        number += 1
        wrong = number % ONE_IN == 0
        yield ("crash" if number % (2 * ONE_IN) else "hang") if wrong else "end"


async def _batch(
    worker: Server, data_dir: Path, url: str, endings: list[str], *, slots: int
) -> Rest:
    requests = [
        submit("visit", {"url": url, "then": ending}, timeout_s=2 if ending == "hang" else 20)
        for ending in endings
    ]
    statuses = Counter(await ask_all(worker, requests, clients=slots))
    expected = Counter(STATUS[ending] for ending in endings)
    if statuses != expected:
        raise RuntimeError(f"the tasks ended with {statuses}, expected {expected}")
    health = await _quiet(worker, slots)
    memory_mb = [await _memory_mb(worker) for _ in range(SAMPLES)]
    return Rest(
        memory_mb=median(memory_mb),
        processes=len(tree_of(worker)),
        folders=_folders(data_dir),
        slots=health["slots"]["used"],
        contexts=health["browsers"]["contexts_in_use"],
    )


def _folders(data_dir: Path) -> int:
    """Number of temporary folders of the worker, including the profiles of its browsers."""
    return len([*data_dir.glob("tmp/*/*/*"), *data_dir.parent.glob("tmp/*")])


async def _quiet(worker: Server, slots: int) -> Any:
    """The answer of `/health` once every spare context is open again, or after a minute."""
    health: Any = None
    try:
        async with asyncio.timeout(QUIET_S):
            while health is None or health["browsers"]["spares"] < slots:
                health = await ask(worker, get("/health"))
                await asyncio.sleep(0.2)
    except TimeoutError:
        pass
    return health


async def _memory_mb(worker: Server) -> int:
    """One sample, after a second: Chromium frees memory at moments of its own."""
    await asyncio.sleep(1)
    return await asyncio.to_thread(tree_memory_mb, psutil.Process(worker.pid))
