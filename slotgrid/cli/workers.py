"""`slotgrid workers`: the fleet of a balancer, one line for each worker."""

from typing import Any

import click
from rich.console import Console
from rich.table import Table

from slotgrid.cli.node import Node, node_options
from slotgrid.cli.output import echo, print_json, screen, styled

STATUS_STYLES = {
    "ready": "green",
    "starting": "yellow",
    "maintenance": "yellow",
    "draining": "yellow",
    "removed": "yellow",
}


@click.command(short_help="List the workers of a balancer.")
@click.option("--json", "plain", is_flag=True, help="Print the balancer's answer as JSON.")
@node_options()
@click.pass_obj
def workers(node: Node, /, *, plain: bool) -> None:
    """List the workers that a balancer follows: how each stands, and how busy it is."""
    found = node.ask(lambda client: client.workers())
    if plain:
        print_json(found, plain=True)
    else:
        _show(screen(), found)


def _show(console: Console, found: list[dict[str, Any]]) -> None:
    if not found:
        echo(console, "There are no workers. List one in workers.json, or set its BALANCER_URL.")
        return
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 3, 0, 0))
    for heading in ("Worker", "Status", "Group", "Slots", "CPU", "Memory", "Detail"):
        table.add_column(heading)
    for one in found:
        slots, system = one["slots"], one["system"]
        table.add_row(
            styled((one["name"], "bold")),
            styled((one["status"], STATUS_STYLES.get(one["status"], "red"))),
            styled(f"{one['group']} {one['contract']}"),
            styled(f"{slots['used']} of {slots['limit']}"),
            styled(f"{system['cpu_percent']:.0f} %"),
            styled(f"{system['memory_percent']:.0f} %"),
            styled((one["detail"] or "", "dim")),
        )
    console.print(table)
