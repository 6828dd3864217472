"""`slotgrid flows`: lists the flows of a balancer, each with its last run."""

import asyncio
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from slotgrid.cli.node import Node, node_options
from slotgrid.cli.output import echo, print_json, screen, styled
from slotgrid.cli.task_views import STATUS_STYLES
from slotgrid.client import Client, JsonObject


@click.command(short_help="List the flows, each with its last run.")
@click.option("--json", "plain", is_flag=True, help="Print JSON.")
@node_options()
@click.pass_obj
def flows(node: Node, /, *, plain: bool) -> None:
    """List the flows of a balancer, each with its last run.

    `slotgrid call NAME` starts one; `slotgrid tasks show --follow ID` shows its steps.
    """
    found = node.ask(_found)
    if plain:
        print_json({"flows": found}, plain=True)
    else:
        _show(screen(), found)


async def _found(client: Client) -> list[dict[str, Any]]:
    offered = [one for one in await client.functions() if one["kind"] == "flow"]
    last = await asyncio.gather(*(_last_run(client, one) for one in offered))
    return [
        {"name": one["name"], "group": one["group"], "description": one["description"], "last": run}
        for one, run in zip(offered, last, strict=True)
    ]


async def _last_run(client: Client, flow: JsonObject) -> JsonObject | None:
    page = await client.tasks(limit=1, function=flow["name"], group=flow["group"])
    return next(iter(page.tasks), None)


def _show(console: Console, found: list[dict[str, Any]]) -> None:
    if not found:
        echo(console, "The node has no flows. Put one into the FUNCTIONS_DIR of the balancer.")
        return
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for heading in ("Flow", "Group", "Last run", "", "Description"):
        table.add_column(heading)
    for one in found:
        run = one["last"]
        table.add_row(
            styled((one["name"], "bold")),
            styled((one["group"], "dim")),
            styled((run["status"], STATUS_STYLES.get(run["status"], ""))) if run else styled("-"),
            styled((run["created_at"].replace("T", " ")[:19], "dim")) if run else styled(""),
            styled(one["description"].partition("\n")[0]),
        )
    console.print(table)
