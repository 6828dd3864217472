"""`slotgrid health`: the state of a node, on one screen."""

from collections.abc import Iterator, Mapping
from typing import Any

import click
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from slotgrid.cli.node import Node, node_options
from slotgrid.cli.output import echo, print_json, screen, styled

STATUS_STYLES = {
    "ready": "bold green",
    "starting": "bold yellow",
    "maintenance": "bold yellow",
    "draining": "bold yellow",
}
BAR_WIDTH = 20
NAMES_SHOWN = 12


@click.command(short_help="Show the node's health.")
@click.option("--json", "plain", is_flag=True, help="Print the node's answer as JSON.")
@node_options()
@click.pass_obj
def health(node: Node, /, *, plain: bool) -> None:
    """Show the node's status, slots, services and what is broken."""
    answer = node.ask(lambda client: client.health())
    if plain:
        print_json(answer, plain=True)
    else:
        _show(screen(), answer)


def _show(console: Console, answer: Mapping[str, Any]) -> None:
    rest = dict(answer)
    status = str(rest.pop("status", "unknown"))
    echo(console, (f"● {status}", STATUS_STYLES.get(status, "bold red")))
    if not rest:
        echo(console, ("  A valid key shows more: --key or AUTH_KEY.", "dim"))
        return
    table = Table.grid(padding=(0, 2))
    for name, value in rest.items():
        if value in ([], {}, None, ""):
            continue
        table.add_row(styled((name.replace("_", " "), "dim")), _shown(name, value))
    console.print(table)


def _shown(name: str, value: Any) -> RenderableType:
    if name == "slots" and isinstance(value, Mapping) and {"used", "limit"} <= value.keys():
        return _slots(value)
    if name == "functions" and isinstance(value, list):
        value = [one.get("name") if isinstance(one, Mapping) else one for one in value]
    return Group(*_lines(value))


def _slots(slots: Mapping[str, Any]) -> Text:
    used, limit = int(slots["used"]), int(slots["limit"])
    filled = round(BAR_WIDTH * used / limit) if limit else 0
    facts = f" {used} of {limit} used, {slots.get('queue', 0)} waiting"
    # A worker under memory pressure gives out no slot; `held` is the reason.
    held = f", held back: {slots['held']}" if slots.get("held") else ""
    bar = (("█" * filled, "cyan"), ("░" * (BAR_WIDTH - filled), "dim"))
    return styled(*bar, facts, (held, "red"))


def _lines(value: Any) -> Iterator[Text]:
    """A value as lines of text, one for each nested part."""
    if isinstance(value, Mapping):
        plain = {name: part for name, part in value.items() if not isinstance(part, Mapping | list)}
        if plain:
            yield _facts(plain)
        for name, part in value.items():
            if name not in plain:
                for line in _lines(part):
                    yield styled((f"{name}  ", "bold")) + line
    elif isinstance(value, list):
        named = [item for item in value if not isinstance(item, Mapping)]
        if named:
            more = f" and {len(named) - NAMES_SHOWN} more" if len(named) > NAMES_SHOWN else ""
            yield styled(", ".join(str(item) for item in named[:NAMES_SHOWN]) + more)
        for item in value:
            if isinstance(item, Mapping):
                yield from _lines(item)
    else:
        yield styled(str(value))


def _facts(facts: Mapping[str, Any]) -> Text:
    """`name value` pairs in one line; unset ones are left out, failures are red."""
    line = Text()
    for name, value in facts.items():
        if value is None or value == "":
            continue
        if line:
            line.append("  ")
        if name != "name":
            line.append_text(styled((f"{name} ", "dim")))
        style = "red" if name == "error" or value in ("down", "dead") else ""
        line.append_text(styled((value, "bold" if name == "name" else style)))
    return line
