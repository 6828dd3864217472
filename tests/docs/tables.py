"""The tables of the documentation, made from the code: `python -m tests.docs.tables` prints them.

A test compares; whoever changes a setting, a problem, a metric or a function pastes the new table.
"""

import asyncio
import re
from collections.abc import Iterable, Sequence

from slotgrid.core.errors import problem_types
from slotgrid.core.spec import FunctionSpec
from slotgrid.runtime.metrics import GaugeReadings, Metrics
from slotgrid.runtime.settings import TABLE
from tests.docs.pages import ROOT
from tests.functions.test_folder import SHIPPED, SHIPPED_RECIPES
from tests.worker.registry.registries import registry_of
from worker.registry.registry import Registry

SOME_READINGS = GaugeReadings(
    slots={("default", "free"): 1},
    queue_length={"default": 0},
    browsers=1,
    browser_restarts={"hung": 1},
    memory_bytes=1,
    loop_lag_s=0.0,
    slot_mismatch=0,
    detached_functions=0,
    workers={"ready": 1},
    report_age_s=0.0,
)
"""A value for each, for a metric without one shows no labels."""


def settings_table() -> list[str]:
    """Every setting with its default, unit and purpose."""
    rows = []
    for row in TABLE.values():
        default = row.default if row.derive else f"`{row.default}`" if row.default else ""
        unit = f" Unit: {row.unit}." if row.unit else ""
        rows.append((f"`{row.env}`", default, row.doc + unit))
    return table(("Setting", "Default", "What it is"), rows)


def problems_table() -> list[str]:
    """Every problem type with its status and what to do."""
    kinds = sorted(problem_types().values(), key=lambda kind: kind.status)
    rows = [(str(kind.status), f"`{kind.name}`", kind.title, kind.advice) for kind in kinds]
    return table(("Status", "Type", "What happened", "What to do"), rows)


def metrics_table() -> list[str]:
    """Every metric of ours by the name that Prometheus shows, with its labels."""
    metrics = Metrics(lambda: SOME_READINGS)
    metrics.task_finished(function="f", mode="sync", outcome="completed", wait_s=0, run_s=0)
    metrics.guard_refused("private")
    metrics.refused("queue-full")
    metrics.delivery_attempted("delivered")
    metrics.loop_stalled("f")
    exported = metrics.render().decode()
    rows = []
    for name, text in re.findall(r"^# HELP (slotgrid_\w+) (.+)$", exported, re.MULTILINE):
        kind = re.search(rf"^# TYPE {name} (\w+)$", exported, re.MULTILINE)
        sample = re.search(rf"^{name}(?:_count)?(\{{.+\}})? ", exported, re.MULTILINE)
        assert kind is not None
        assert sample is not None
        labels = re.sub(r'="[^"]*"', "", sample[1] or "")
        rows.append((f"`{name}{labels}`", kind[1], text))
    return table(("Metric", "Kind", "What it says"), sorted(rows))


def functions_table() -> list[str]:
    """Every function that is shipped, with its page."""
    rows = [
        (
            f"[`{spec.name}`](docs/functions/{spec.name}.md)",
            "yes" if "stream" in spec.modes else "",
            spec.description,
        )
        for spec in shipped_specs()
    ]
    return table(("Function", "Streams", "What it does"), rows)


def recipes_table(folder: str) -> list[str]:
    """Every recipe that is shipped, with its file below the folder of functions."""
    rows = [
        (f"[`{spec.name}`]({folder}/{spec.name}.yaml)", spec.description, _fields_of(spec))
        for spec in asyncio.run(_folder()).specs()
        if spec.name in SHIPPED_RECIPES
    ]
    return table(("Recipe", "What it does", "Input; optional in brackets"), rows)


def _fields_of(spec: FunctionSpec) -> str:
    required = spec.input.document["required"]
    names = [f"`{name}`" for name in spec.input.document["properties"] if name in required]
    others = [f"`{name}`" for name in spec.input.document["properties"] if name not in required]
    return ", ".join(names) + (f" ({', '.join(others)})" if others else "")


def shipped_specs() -> list[FunctionSpec]:
    """The functions in Python that are shipped, by name."""
    return [spec for spec in asyncio.run(_folder()).specs() if spec.name in SHIPPED]


async def _folder() -> Registry:
    registry = registry_of(ROOT / "functions")
    await registry.load()
    return registry


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table of Markdown."""
    cells = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in cells]


if __name__ == "__main__":
    for made in (settings_table, functions_table, problems_table, metrics_table):
        print("\n".join(made()), end="\n\n")
