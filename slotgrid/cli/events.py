"""`slotgrid events`: what the tasks of a node do, as it happens."""

import json
from contextlib import aclosing
from typing import Any

import click
from rich.console import Console

from slotgrid.cli.node import Node, node_options
from slotgrid.cli.output import echo, screen
from slotgrid.client import Client, Event

STYLES = {
    "queued": "dim",
    "started": "cyan",
    "retrying": "yellow",
    "completed": "green",
    "failed": "bold red",
    "cancelled": "yellow",
}


@click.command(short_help="Show what tasks do, as it happens.")
@click.option("--function", help="Tasks of this function only.")
@click.option("--group", help="Tasks of this group only.")
@click.option("--owner", help="Tasks of this user only.")
@click.option("--worker", help="Attempts on this worker only.")
@click.option("--pool", help="Attempts in this pool only.")
@click.option("--slot", type=click.IntRange(0), help="Attempts on the slot of this number only.")
@click.option("--parent", metavar="TASK", help="Tasks of the steps of this flow's task only.")
@click.option("-n", "--count", type=click.IntRange(1), help="End after so many changes.")
@click.option("--json", "plain", is_flag=True, help="Print one JSON object per line.")
@node_options()
@click.pass_obj
def events(node: Node, /, *, count: int | None, plain: bool, **filters: Any) -> None:
    """Show each change of the node's tasks until Ctrl-C; times are UTC."""
    console = screen()

    async def show(client: Client) -> None:
        left = count
        async with aclosing(client.changes(**filters)) as changes:
            async for change in changes:
                _print(console, change, plain=plain)
                left = None if left is None else left - 1
                if left == 0:
                    return

    node.ask(show)


def _print(console: Console, change: Event, *, plain: bool) -> None:
    if plain:
        click.echo(json.dumps({"id": change.id, "event": change.kind, "data": change.payload}))
        return
    if change.kind == "missed":
        missed = "some" if change.data is None else str(change.data)
        echo(console, (f"{missed} changes were missed", "yellow"))
        return
    data = change.payload
    kind = data["status"] if change.kind == "ended" else change.kind
    place = ""
    if change.kind != "queued" and data["worker"] is not None:
        place = f"  {data['worker']}"
        if data["slot"] is not None:
            place += f" {data['pool']}[{data['slot']}]"
    step = f"  {data['step']}" if data["step"] else ""
    took = f"  {data['run_ms'] / 1000:.1f} s" if change.kind == "ended" else ""
    fault = f"  {data['error']['detail']}" if data["error"] else ""
    echo(
        console,
        (str(data["at"]).partition("T")[2].removesuffix("Z"), "dim"),
        (f"  {kind:<9}", STYLES.get(kind, "")),
        (f"  {data['function']}", "bold"),
        (f"{step}{place}{took}", "dim"),
        (fault, "red"),
        (f"  {data['task']}", "dim"),
    )
