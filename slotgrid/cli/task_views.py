"""Prints tasks: a table of many, or everything about one."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from slotgrid.cli.output import duration_text, echo, print_json, size_text, styled
from slotgrid.cli.step_tree import step_tree
from slotgrid.client import JsonObject, TaskPage

STATUS_STYLES = {
    "queued": "yellow",
    "running": "cyan",
    "completed": "green",
    "failed": "bold red",
    "cancelled": "dim",
}


def show_tasks(console: Console, page: TaskPage, offset: int) -> None:
    """Print a page of tasks as a table, and the total if there are more."""
    if not page.tasks:
        echo(console, "No tasks." if not page.total else f"No more than {page.total} tasks.")
        return
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for heading in ("Task", "Status", "Function", "Mode", "Created", "Ran", ""):
        table.add_column(heading, no_wrap=heading in ("Task", "Status", "Created", "Ran"))
    for task in page.tasks:
        table.add_row(
            styled((task["id"], "bold")),
            styled((task["status"], STATUS_STYLES.get(task["status"], ""))),
            styled(task["function"]),
            styled((task["mode"], "dim")),
            styled((_clock(task["created_at"]), "dim")),
            styled((duration_text(task["run_ms"]) if task["started_at"] else "", "dim")),
            styled((task["error"] or _place_of(task), "dim")),
        )
    console.print(table)
    last = offset + len(page.tasks)
    if last < page.total:
        echo(console, (f"{offset + 1} to {last} of {page.total}; --offset {last} goes on.", "dim"))


def show_task(console: Console, task: JsonObject) -> None:
    """Print one task: its facts, then its result or error."""
    echo(
        console,
        (task["function"], "bold"),
        "  ",
        (task["status"], STATUS_STYLES.get(task["status"], "")),
        (f"  {_place_of(task)}", "dim"),
    )
    table = Table.grid(padding=(0, 2))
    for name, text in _facts(task):
        table.add_row(styled((name, "dim")), styled(text))
    console.print(table)
    if task.get("kind") == "flow":
        console.print(step_tree(task))
    if task["error"] is not None:
        echo(console, ("✗ ", "bold red"), (task["error"]["title"], "bold"))
        echo(console, f"  {task['error']['detail']}")
    elif task["status"] == "completed":
        print_json(task["result"])


def _facts(task: JsonObject) -> Iterator[tuple[str, str]]:
    """The facts as (name, text), in the order in which they happened."""
    yield "id", task["id"]
    yield "mode", f"{task['mode']}, priority {task['priority']}, by {task['owner']}"
    yield "created", task["created_at"]
    if task["started_at"]:
        waited, ran = duration_text(task["queued_ms"]), duration_text(task["run_ms"])
        yield "started", f"{task['started_at']} on {task['worker']}, waited {waited}"
        if task["finished_at"]:
            yield "finished", f"{task['finished_at']}, ran {ran}"
    if task["lost_starts"]:
        yield "lost", f"{task['lost_starts']} earlier runs ended with a crash of their node"
    for attempt in task["attempts"]:
        error = attempt["error"]
        if error is not None:
            yield f"attempt {attempt['number']}", error["detail"]
    for step in task["steps"] if task.get("kind") != "flow" else ():
        yield f"step {step['name']}", _step(step, task["worker"])
    if moved := task.get("traffic"):  # nodes of an earlier version do not have it
        received, sent = size_text(moved["received_bytes"]), size_text(moved["sent_bytes"])
        count = moved["connections"]
        yield "traffic", f"{received} received, {sent} sent, connections: {count}"
    for delivery in task["deliveries"]:
        yield f"delivery {delivery['number']}", _delivery(delivery)
    for artifact in task["artifacts"]:
        yield "artifact", artifact["name"]


def _step(step: Mapping[str, Any], worker: str | None) -> str:
    """The step's status, with what the rest of the task's facts does not show."""
    parts = [step["status"]]
    if step.get("action"):
        parts.append(step["action"])
    if step.get("worker") not in {None, worker}:
        parts.append(f"on {step['worker']}")
    return ", ".join(parts)


def _delivery(delivery: Mapping[str, Any]) -> str:
    said = delivery["error"] or f"answered {delivery['status']}"
    return f"{delivery['at']}, {said}, {duration_text(delivery['duration_ms'])}"


def _place_of(task: Mapping[str, Any]) -> str:
    position = task["queue_position"]
    return f"number {position} in the queue" if position else ""


def _clock(moment: str) -> str:
    """A time to the second, in a readable form."""
    return moment.replace("T", " ")[:19]
