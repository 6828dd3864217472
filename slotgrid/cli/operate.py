"""`slotgrid on`, `off`, `drain`: switch whether a node accepts tasks."""

from collections.abc import Awaitable, Callable
from typing import Any

import click

from slotgrid.cli.node import Node, node_options
from slotgrid.cli.output import echo, screen
from slotgrid.client import Client


@click.command(short_help="End maintenance: the node accepts tasks again.")
@node_options()
@click.pass_obj
def on(node: Node, /) -> None:
    """End maintenance: the node takes new tasks again."""
    _switch(node, lambda client: client.switch_on())


@click.command(short_help="Begin maintenance: the node refuses new tasks.")
@node_options()
@click.pass_obj
def off(node: Node, /) -> None:
    """Begin maintenance: new tasks are refused, those it has are finished."""
    _switch(node, lambda client: client.switch_off())


@click.command(short_help="Drain the node: it finishes its tasks, then exits.")
@click.option(
    "--deadline-s", type=float, help="Seconds that its tasks have to finish.  [default: the node's]"
)
@node_options()
@click.pass_obj
def drain(node: Node, /, *, deadline_s: float | None) -> None:
    """Let the node finish its tasks within a deadline, and exit."""
    _switch(node, lambda client: client.drain(deadline_s=deadline_s))


def _switch(node: Node, ask: Callable[[Client], Awaitable[dict[str, Any]]]) -> None:
    async def answer(client: Client) -> dict[str, Any]:
        return await ask(client)

    said = node.ask(answer)
    echo(screen(), (said.get("status", "?"), "bold"), f"  {said.get('message', '')}")
