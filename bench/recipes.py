"""`python -m bench.recipes [--quick]`: recipes beside Python functions, and how fast they load."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from bench.load import closed_load, submit
from bench.measuring import main
from bench.pairs import Pair, cpu_us, percentile_ms
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
    rounds, seconds = (10, 1.0) if quick else (30, 2.0)
    async with (
        started("bench.pages") as pages,
        worker(folder / "worker", FUNCTIONS, slots=SLOTS) as node,
    ):
        url = f"http://127.0.0.1:{pages.port}/"
        for clients in (1, SLOTS):
            say(f"ten steps, {clients} at once")
            rows += await _steps(node, url, clients=clients, rounds=rounds, seconds=seconds)
    return rows


async def _steps(node: Server, url: str, *, clients: int, rounds: int, seconds: float) -> list[Row]:
    recipe, python = (
        submit(function, {"url": url}) for function in ("ten_steps", "ten_steps_in_python")
    )
    pair = Pair()
    for request in (recipe, python):
        await closed_load(node, request, clients=clients, seconds=2)
    for number in range(rounds):
        # Either comes first in every second round: a browser slows down as it ages.
        for ours in (True, False) if number % 2 else (False, True):
            loads, request = (pair.ours, recipe) if ours else (pair.bare, python)
            loads.append(await closed_load(node, request, clients=clients, seconds=seconds))
    ratio = 1 / pair.rate_ratio()
    return [
        Row(
            f"recipe of ten steps, {clients} at once, p50, ms; the steps in Python",
            f"{percentile_ms(pair.ours, 50):.1f}",
            f"{percentile_ms(pair.bare, 50):.1f}",
            f"{ratio:.3f}",
            f"at most {RATIO}",
            ratio <= RATIO,
        ),
        Row(
            "the same, CPU of all processes for each task, ms",
            f"{cpu_us(pair.ours) / 1000:.1f}",
            f"{cpu_us(pair.bare) / 1000:.1f}",
            f"{1 / pair.cpu_ratio():.3f}",
        ),
    ]


async def _loading(folder: Path) -> list[Row]:
    text = (FUNCTIONS / "ten_steps.yaml").read_text()
    _write_recipes(folder, text)
    registry = _registry(folder)
    load_s = await _seconds(registry)
    assert len(registry.specs()) == RECIPES
    reload_ms = []
    for number in range(RELOADS):
        path = folder / f"recipe{number}.yaml"
        path.write_text(text.replace("Ten", "Changed, ten"))
        reload_ms.append(await _seconds(registry) * 1000)
    return [
        Row(
            f"load of {RECIPES} recipes of ten steps, s",
            f"{load_s:.2f}",
            target=f"under {LOAD_S:g} s",
            met=load_s < LOAD_S,
        ),
        Row(
            f"reload of one among {RECIPES}, median, ms",
            f"{median(reload_ms):.0f}",
            target=f"under {RELOAD_MS:g} ms",
            met=median(reload_ms) < RELOAD_MS,
        ),
    ]


def _write_recipes(folder: Path, text: str) -> None:
    folder.mkdir()
    for number in range(RECIPES):
        (folder / f"recipe{number}.yaml").write_text(text.replace("Ten", f"Recipe {number}, ten"))


async def _seconds(registry: Registry) -> float:
    began = time.perf_counter()
    changed = await registry.load()
    assert changed
    assert not registry.broken, registry.broken[0]
    return time.perf_counter() - began


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
    sys.exit(main(run, module="bench.recipes", about=__doc__, quick="one minute instead of five"))
