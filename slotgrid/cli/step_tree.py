"""Prints the steps of a task as a tree, once or as they go on."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.tree import Tree

from slotgrid.cli.output import duration_text, styled
from slotgrid.client import Client, JsonObject

Step = Mapping[str, Any]

STYLES = {
    "pending": "dim",
    "ready": "yellow",
    "running": "cyan",
    "completed": "green",
    "failed": "bold red",
    "skipped": "dim",
    "cancelled": "dim",
}
MARKS = {"completed": "✓", "failed": "✗", "running": "●", "ready": "○", "pending": "○"}
INSTANCES_SHOWN = 10
"""Instances of a step that the tree shows; of more, those that run or failed, and the counts."""
EVERY_S = 0.5
ENDED = frozenset({"completed", "failed", "cancelled"})


def step_tree(task: JsonObject) -> RenderableType:
    """The steps of a task, each with its state, worker and time."""
    tree = Tree(
        styled((task["function"], "bold"), "  ", (task["status"], "dim")), guide_style="dim"
    )
    for step, instances in _grouped(task["steps"]):
        branch = tree.add(_line(step, instances))
        for shown in _shown(instances):
            branch.add(_line(shown, ()))
        if len(instances) > INSTANCES_SHOWN and (rest := len(instances) - len(_shown(instances))):
            branch.add(styled((f"and {rest} more", "dim")))
    return tree


async def follow_steps(client: Client, console: Console, task_id: str) -> JsonObject:
    """Show the tree until the task has ended; returns the task."""
    task = await client.task(task_id)
    if not console.is_terminal:
        while task["status"] not in ENDED:
            task = await client.task(task_id, wait_s=30)
        return task
    with Live(step_tree(task), console=console, transient=True) as live:
        while task["status"] not in ENDED:
            await asyncio.sleep(EVERY_S)
            task = await client.task(task_id)
            live.update(Group(step_tree(task)))
    return task


def _grouped(steps: Sequence[Step]) -> Iterator[tuple[Step, list[Step]]]:
    """Each step with its instances, `name[index]`, which follow it."""
    instances: list[Step] = []
    for number, step in enumerate(steps):
        if "[" in step["name"]:
            continue
        instances = []
        for following in steps[number + 1 :]:
            if not following["name"].startswith(f"{step['name']}["):
                break
            instances.append(following)
        yield step, instances


def _shown(instances: Sequence[Step]) -> Sequence[Step]:
    if len(instances) <= INSTANCES_SHOWN:
        return instances
    telling = [one for one in instances if one["status"] in {"running", "failed"}]
    return telling[:INSTANCES_SHOWN]


def _line(step: Step, instances: Sequence[Step]) -> Any:
    status = step["status"]
    parts: list[tuple[object, str] | str] = [
        (f"{MARKS.get(status, '-')} ", STYLES.get(status, "")),
        step["name"],
        (f"  {step['action'] or step['function']}", "dim"),
    ]
    if status not in {"completed", "failed"}:
        parts.append((f"  {status}", STYLES.get(status, "")))
    if instances:
        done = sum(one["status"] == "completed" for one in instances)
        parts.append((f"  {done} of {len(instances)}", "dim"))
    if step["worker"]:
        parts.append((f"  on {step['worker']}", "dim"))
    if step["started_at"]:
        parts.append((f"  {duration_text(_ran_ms(step))}", "dim"))
    if step["error"]:
        parts.append((f"  {step['error']}", "red"))
    return styled(*parts)


def _ran_ms(step: Step) -> float:
    began = datetime.fromisoformat(step["started_at"])
    ended = step["ended_at"]
    until = datetime.fromisoformat(ended) if ended else datetime.now(UTC)
    return max(0.0, (until - began).total_seconds() * 1000)
