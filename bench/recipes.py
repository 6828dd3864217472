"""`python -m bench.recipes [--quick]`: recipes beside Python functions, and how fast they load."""

import asyncio
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from bench.load import ask, submit
from bench.measuring import main
from bench.processes import Server, started, worker
from bench.table import Row
from worker.loaders_by_suffix import loaders
from worker.plain.child_processes import PlainProcesses
from worker.registry.loader import LoaderSettings
from worker.registry.registry import Registry
from worker.secrets.declared_secrets import DeclaredSecrets

SLOTS = 4
FUNCTIONS = Path(__file__).parent / "functions"
RATIO = 1.05
"""The time of a recipe, divided by that of the same steps in Python."""
RECIPES = 1000
LOAD_S = 2.0
RELOAD_MS = 100.0
RELOADS = 5


async def run(folder: Path, *, quick: bool, say: Callable[[str], None]) -> list[Row]:
    """Every measurement, one after the other; `folder` is for the worker's files."""
    say(f"{RECIPES} recipes")
    rows = await _loading(folder / "recipes")
    rounds = 30 if quick else 150
    async with (
        started("bench.pages") as pages,
        worker(folder / "worker", FUNCTIONS, slots=SLOTS) as node,
    ):
        url = f"http://127.0.0.1:{pages.port}/"
        for clients in (1, SLOTS):
            say(f"ten steps, {clients} at once")
            rows += await _steps(node, url, clients=clients, rounds=rounds)
    return rows


async def _steps(node: Server, url: str, *, clients: int, rounds: int) -> list[Row]:
    """Rounds of a few tasks of either kind: other load of the machine then slows both alike."""
    recipe, python = (
        submit(function, {"url": url}) for function in ("ten_steps", "ten_steps_in_python")
    )
    ours, beside = _Rounds(), _Rounds()
    for number in range(rounds):
        pair = [(ours, recipe), (beside, python)]
        # Either is first in every second round: a browser slows down as it ages.
        for kind, request in pair if number % 2 else reversed(pair):
            await kind.add(node, request, clients)
    ratio = median(mine / other for mine, other in zip(ours.times_s, beside.times_s, strict=True))
    cpu_ratio = sum(ours.cpu_s) / sum(beside.cpu_s)
    return [
        Row(
            f"recipe of ten steps, {clients} at once, median, ms; the steps in Python",
            f"{median(ours.times_s) * 1000:.0f}",
            f"{median(beside.times_s) * 1000:.0f}",
            f"{ratio:.3f}",
            f"at most {RATIO}",
            ratio <= RATIO,
        ),
        Row(
            "the same, CPU of all processes for each task, ms",
            f"{sum(ours.cpu_s) / rounds / clients * 1000:.0f}",
            f"{sum(beside.cpu_s) / rounds / clients * 1000:.0f}",
            f"{cpu_ratio:.3f}",
        ),
    ]


@dataclass
class _Rounds:
    """Seconds and CPU of rounds of one function."""

    times_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)

    async def add(self, node: Server, request: bytes, clients: int) -> None:
        """Run so many tasks at once."""
        began, cpu_began = time.perf_counter(), node.cpu_s()
        answers = await asyncio.gather(*(ask(node, request) for _ in range(clients)))
        assert all(answer["success"] for answer in answers)
        self.times_s.append(time.perf_counter() - began)
        self.cpu_s.append(node.cpu_s() - cpu_began)


async def _loading(folder: Path) -> list[Row]:
    text = (FUNCTIONS / "ten_steps.yaml").read_text()
    _write_recipes(folder, text)
    registry = _registry(folder)
    load_s, load_cpu_s = await _seconds(registry)
    assert len(registry.specs()) == RECIPES
    reloads = []
    for number in range(RELOADS):
        path = folder / f"recipe{number}.yaml"
        path.write_text(text.replace("Ten", "Changed, ten"))
        reloads.append(await _seconds(registry))
    reload_ms, reload_cpu_ms = (1000 * median(figures) for figures in zip(*reloads, strict=True))
    return [
        Row(
            f"load of {RECIPES} recipes of ten steps, s",
            f"{load_s:.2f}",
            target=f"under {LOAD_S:g} s",
            met=load_s < LOAD_S,
        ),
        Row("the same, CPU, s", f"{load_cpu_s:.2f}"),
        Row(
            f"reload of one among {RECIPES}, median, ms",
            f"{reload_ms:.0f}",
            target=f"under {RELOAD_MS:g} ms",
            met=reload_ms < RELOAD_MS,
        ),
        Row("the same, CPU, ms", f"{reload_cpu_ms:.0f}"),
    ]


def _write_recipes(folder: Path, text: str) -> None:
    folder.mkdir()
    for number in range(RECIPES):
        (folder / f"recipe{number}.yaml").write_text(text.replace("Ten", f"Recipe {number}, ten"))


async def _seconds(registry: Registry) -> tuple[float, float]:
    """Seconds of a load, and of CPU, which other load of the machine does not change."""
    began, cpu_began = time.perf_counter(), time.process_time()
    changed = await registry.load()
    assert changed
    assert not registry.broken, registry.broken[0]
    return time.perf_counter() - began, time.process_time() - cpu_began


def _registry(folder: Path) -> Registry:
    settings = LoaderSettings(
        group="default",
        contract=1,
        default_timeout_s=30.0,
        pools={"default": "context"},
        secrets=DeclaredSecrets({}),
    )
    return Registry(folder, loaders(settings, PlainProcesses(limit=1).run))


if __name__ == "__main__":
    sys.exit(main(run, module="bench.recipes", about=__doc__, quick="two minutes instead of eight"))
