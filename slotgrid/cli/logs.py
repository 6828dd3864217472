"""`slotgrid logs`: the last lines of a node's log, and the new ones."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

import click
from rich.console import Console

from slotgrid.cli.node import Node, node_options
from slotgrid.cli.output import echo, screen
from slotgrid.client import Client

POLL_S = 1.0
LEVEL_STYLES = {
    "debug": "dim",
    "info": "green",
    "warning": "yellow",
    "error": "bold red",
    "critical": "bold red",
}

Line = Mapping[str, Any]


@click.command(short_help="Show the node's log.")
@click.option("-f", "--follow", is_flag=True, help="Follow new lines until Ctrl-C.")
@click.option(
    "--level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="debug",
    show_default=True,
    help="Lowest level shown.",
)
@click.option("-n", "--lines", type=click.IntRange(0), default=50, show_default=True)
@click.option("--json", "plain", is_flag=True, help="Print one JSON object per line.")
@node_options()
@click.pass_obj
def logs(node: Node, /, *, follow: bool, level: str, lines: int, plain: bool) -> None:
    """Show the last lines of the node's log; times are UTC."""
    console = screen()

    async def show(client: Client) -> None:
        seen = await client.logs(level=level)
        _print(console, seen[len(seen) - min(lines, len(seen)) :], plain=plain)
        while follow:
            await asyncio.sleep(POLL_S)
            now = await client.logs(level=level)
            _print(console, newer(now, seen), plain=plain)
            seen = now or seen

    node.ask(show)


def newer(now: Sequence[Line], before: Sequence[Line]) -> Sequence[Line]:
    """The lines of `now` after the last line of `before`; all, if `now` does not have it."""
    if before:
        for at in range(len(now) - 1, -1, -1):
            if now[at] == before[-1]:
                return now[at + 1 :]
    return now


def _print(console: Console, lines: Sequence[Line], *, plain: bool) -> None:
    for line in lines:
        if plain:
            click.echo(json.dumps(line))
            continue
        rest = {**line}
        at, level, event = (str(rest.pop(name, "")) for name in ("ts", "level", "event"))
        exception = rest.pop("exception", None)
        fields = "".join(f"  {name}={_value(value)}" for name, value in rest.items())
        clock = at.partition("T")[2].removesuffix("Z")[:12] or at
        style = LEVEL_STYLES.get(level, "")
        echo(
            console,
            (clock, "dim"),
            (f"  {level:<8}", style),
            (event, "bold"),
            (fields, "dim"),
        )
        if exception:
            echo(console, (str(exception), "red"))


def _value(value: Any) -> str:
    """A field's value: a word unchanged, a text with spaces or a structure as JSON."""
    if isinstance(value, str) and value and " " not in value:
        return value
    return json.dumps(value, ensure_ascii=False)
