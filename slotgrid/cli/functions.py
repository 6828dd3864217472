"""`slotgrid functions`: lists the functions of a node, or describes one with an example."""

import shlex
from typing import Any

import click
from rich.console import Console, RenderableType
from rich.table import Table

from slotgrid.cli.fields import Field, as_word, fields_of
from slotgrid.cli.node import Node, node_options
from slotgrid.cli.output import echo, print_json, screen, styled

# As JSON, by JSON Schema's type names.
EXAMPLES = {
    "boolean": "true",
    "integer": "1",
    "number": "1",
    "object": "{}",
    "string": '"text"',
    "null": "null",
}


@click.command(short_help="List the functions, or show the input of one.")
@click.argument("name", required=False)
@click.option("--json", "plain", is_flag=True, help="Print the node's answer as JSON.")
@node_options()
@click.pass_obj
def functions(node: Node, /, *, name: str | None, plain: bool) -> None:
    """List the functions of the node; with NAME show the input of one and an example."""
    if name is None:
        offered = node.ask(lambda client: client.functions())
        if plain:
            print_json(offered, plain=True)
        else:
            _show_all(screen(), offered)
        return
    described = node.ask(lambda client: client.function(name))
    if plain:
        print_json(described, plain=True)
    else:
        _show_one(screen(), described)


def example_line(name: str, fields: list[Field]) -> str:
    """A call to copy and paste: each required field with a value of its type."""
    words = [f"{field.name}={_example(field)}" for field in fields if field.required]
    return shlex.join(["slotgrid", "call", name, *words])


def _show_all(console: Console, offered: list[dict[str, Any]]) -> None:
    if not offered:
        echo(console, "The node has no functions. Put one into its FUNCTIONS_DIR.")
        return
    table = _table("Function", "Modes", "Timeout", "Description")
    for one in offered:
        table.add_row(
            styled((one["name"], "bold")),
            styled((" ".join(one["modes"]), "dim")),
            styled((f"{one['timeout_s']:g} s", "dim")),
            styled(_first_line(one["description"])),
        )
    console.print(table)


def _show_one(console: Console, described: dict[str, Any]) -> None:
    fields = fields_of(described["input"])
    facts = [
        f"modes {', '.join(described['modes'])}",
        f"timeout {described['timeout_s']:g} s",
        f"pool {described['pool']}",
        f"isolation {described['isolation']}",
        f"{described['group']}, contract {described['contract']}",
    ]
    echo(console, (described["name"], "bold"), (f"  {described['kind']}", "dim"))
    echo(console, str(described["description"]))
    echo(console, (" · ".join(facts), "dim"))
    console.print()
    if fields:
        table = _table("Field", "Type", "Default", "Description")
        for field in fields:
            table.add_row(*_cells(field))
        console.print(table)
    else:
        echo(console, "It takes no input.")
    console.print()
    echo(console, ("Example  ", "dim"), example_line(described["name"], fields))


def _cells(field: Field) -> list[RenderableType]:
    default = ("required", "yellow") if field.required else (field.default or "", "")
    notes = [*([field.description] if field.description else []), *field.limits]
    return [
        styled((field.name, "bold")),
        styled((field.type, "cyan")),
        styled(default),
        styled("; ".join([*notes, *(["shown nowhere"] if field.secret else [])])),
    ]


def _table(*headings: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for heading in headings:
        # On a narrow terminal only the other columns wrap.
        table.add_column(heading, no_wrap=heading in ("Function", "Timeout", "Field"))
    return table


def _example(field: Field) -> str:
    if field.choices:
        return as_word(field.choices[0])
    if field.example is not None:
        return field.example
    kind = field.kinds[0] if field.kinds else "string"
    if kind == "string":
        return "https://example.com" if "url" in field.name.lower() else "text"
    return f"[{EXAMPLES.get(field.items, '')}]" if kind == "array" else EXAMPLES[kind]


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]
