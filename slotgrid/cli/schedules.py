"""`slotgrid schedules`: lists schedules, shows, makes, replaces, runs and switches them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from slotgrid.cli.failure import Exit, Failure
from slotgrid.cli.node import Node, node_options
from slotgrid.cli.output import echo, print_json, screen, styled
from slotgrid.cli.values import InvalidWords, read_input
from slotgrid.cli.yaml_values import YamlFault, read_yaml
from slotgrid.client import Client

OUTCOME_STYLES = {"started": "green", "skipped": "yellow", "missed": "yellow"}
RUNS_SHOWN = 20
DONE = ("✓ ", "bold green")


@click.group(invoke_without_command=True, short_help="List, make, run, switch schedules.")
@node_options()
@click.pass_context
def schedules(context: click.Context, /) -> None:
    """Show the schedules of a balancer and do things with them; alone it lists them."""
    if context.invoked_subcommand is None:
        context.invoke(list_schedules)


@schedules.command("list", short_help="List schedules, by name.")
@click.option("-n", "--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@click.option("--offset", type=click.IntRange(0), default=0, help="Number of schedules to skip.")
@click.option("--json", "plain", is_flag=True, help="Print the balancer's answer as JSON.")
@node_options()
@click.pass_obj
def list_schedules(node: Node, /, *, limit: int, offset: int, plain: bool) -> None:
    """List schedules, each with its next and its last firing; times are UTC."""
    page, total = node.ask(lambda client: client.schedules(limit=limit, offset=offset))
    if plain:
        print_json({"schedules": page, "total": total}, plain=True)
    else:
        _show_list(screen(), page, total)


@schedules.command(short_help="Show a schedule, its next firings and its history.")
@click.argument("name")
@click.option("--json", "plain", is_flag=True, help="Print the balancer's answer as JSON.")
@node_options()
@click.pass_obj
def show(node: Node, /, *, name: str, plain: bool) -> None:
    """Show a schedule, its next firings and its history; times are UTC."""
    found = node.ask(lambda client: client.schedule(name))
    if plain:
        print_json(found, plain=True)
    else:
        _show_one(screen(), found)


def _definition(command: Callable[..., Any]) -> Callable[..., Any]:
    """The arguments and options that define a schedule."""
    for decorate in reversed(
        (
            click.argument("name"),
            click.argument("words", metavar="[NAME=VALUE | NAME:=JSON]...", nargs=-1),
            click.option("--cron", help='When: "30 6 * * MON-FRI"; six fields begin with seconds.'),
            click.option("--timezone", help="IANA time zone of --cron.  [default: UTC]"),
            click.option("--function", help="The function to run."),
            click.option("--group", help="Group of the function."),
            click.option("--contract", type=int, help="Contract of the group."),
            click.option("--priority", type=int, help="1 (highest) to 9.  [default: 5]"),
            click.option("--timeout-s", type=float, help="Time limit of one attempt, in seconds."),
            click.option("--webhook", metavar="URL", help="URL that receives each result."),
            click.option(
                "--overlap",
                type=click.Choice(["skip", "allow", "cancel_previous"]),
                help="What a firing does while an earlier task goes on.  [default: skip]",
            ),
            click.option(
                "--missed",
                type=click.Choice(["skip", "run_once"]),
                help="What becomes of missed firings.  [default: skip]",
            ),
            click.option("--off", "off_", is_flag=True, help="Leave it switched off."),
            click.option(
                "--from",
                "file",
                type=click.Path(exists=True, dir_okay=False, path_type=Path),
                help="A YAML or JSON file with the members; options win over it.",
            ),
            click.option("--json", "plain", is_flag=True, help="Print the answer as JSON."),
            node_options(),
            click.pass_obj,
        )
    ):
        command = decorate(command)
    return command


@schedules.command(short_help="Make a schedule.")
@_definition
def add(node: Node, /, *, name: str, plain: bool, **given: Any) -> None:
    """Make a schedule. The words after its name are the input of its tasks."""
    body = _body(name, **given)
    made = node.ask(lambda client: client.create_schedule(body))
    _show_made(made, "made", plain=plain)


@schedules.command(short_help="Replace a schedule.")
@_definition
def replace(node: Node, /, *, name: str, plain: bool, **given: Any) -> None:
    """Replace a schedule: what is not given has its default again. Its history stays."""
    body = _body(name, **given)
    made = node.ask(lambda client: client.replace_schedule(name, body))
    _show_made(made, "replaced", plain=plain)


@schedules.command(short_help="Start the task of a schedule now.")
@click.argument("name")
@node_options()
@click.pass_obj
def run(node: Node, /, *, name: str) -> None:
    """Start the task of a schedule now, also while it is off; its next firing stays."""
    task_id = node.ask(lambda client: client.run_schedule(name))
    print_json({"id": task_id, "schedule": name})
    echo(screen(err=True), ("→ ", "cyan"), f"slotgrid tasks follow {task_id}")


@schedules.command(short_help="Switch schedules on.")
@click.argument("names", nargs=-1, required=True)
@node_options()
@click.pass_obj
def on(node: Node, /, *, names: tuple[str, ...]) -> None:
    """Switch schedules on; the next firing of each is the first from now."""
    _switch(node, names, on=True)


@schedules.command(short_help="Switch schedules off.")
@click.argument("names", nargs=-1, required=True)
@node_options()
@click.pass_obj
def off(node: Node, /, *, names: tuple[str, ...]) -> None:
    """Switch schedules off: they do not fire. Their tasks go on."""
    _switch(node, names, on=False)


@schedules.command(short_help="Remove schedules.")
@click.argument("names", nargs=-1, required=True)
@node_options()
@click.pass_obj
def remove(node: Node, /, *, names: tuple[str, ...]) -> None:
    """Remove schedules and their histories. Their tasks stay."""

    async def ask(client: Client) -> None:
        for name in names:
            await client.remove_schedule(name)
            echo(screen(), DONE, f"removed {name}")

    node.ask(ask)


def _switch(node: Node, names: tuple[str, ...], *, on: bool) -> None:
    async def ask(client: Client) -> None:
        for name in names:
            switched = await client.switch_schedule(name, on=on)
            following = f", next {switched['next_runs'][0]}" if switched["next_runs"] else ""
            echo(screen(), DONE, f"{name} is {'on' if on else 'off'}{following}")

    node.ask(ask)


def _body(
    name: str, *, words: tuple[str, ...], file: Path | None, off_: bool, **options: Any
) -> dict[str, Any]:
    """The definition: that of the file, below the options and words. Raises Failure."""
    body = {} if file is None else _read(file)
    given = body.get("input", {})
    body |= {option: value for option, value in options.items() if value is not None}
    if options["webhook"] is not None:
        body["webhook"] = {"url": options["webhook"]}
    if off_:
        body["enabled"] = False
    if words:
        try:
            body["input"] = read_input(words, given if isinstance(given, dict) else {}, {})
        except InvalidWords as invalid:
            raise Failure(
                "The input is not valid", exit_code=Exit.USAGE, faults=invalid.faults
            ) from invalid
    return body | {"name": name}


def _read(file: Path) -> dict[str, Any]:
    try:
        value = read_yaml(file.read_bytes())
    except OSError as error:
        raise _unusable(file, error.strerror or str(error)) from error
    except YamlFault as fault:
        raise _unusable(file, str(fault)) from fault
    if not isinstance(value, dict):
        raise _unusable(file, "Expected the members of one schedule: name, cron, function, ...")
    return value


def _unusable(file: Path, detail: str) -> Failure:
    return Failure(f"{file} cannot be used", exit_code=Exit.USAGE, detail=detail)


def _show_made(made: dict[str, Any], what: str, *, plain: bool) -> None:
    if plain:
        print_json(made, plain=True)
        return
    following = f", next {made['next_runs'][0]}" if made["next_runs"] else ""
    echo(screen(), DONE, f"{what} {made['name']}{following}")


def _show_list(console: Console, page: list[dict[str, Any]], total: int) -> None:
    if not total:
        echo(
            console, "There are no schedules. `slotgrid schedules add --help` says how to make one."
        )
        return
    table = _table("Name", "State", "Cron", "Function", "Next", "Last")
    for one in page:
        state = "fault" if one["fault"] else "on" if one["enabled"] else "off"
        last = one["last_runs"][0] if one["last_runs"] else None
        table.add_row(
            styled((one["name"], "bold")),
            styled((state, {"on": "green", "fault": "red"}.get(state, "yellow"))),
            styled(f"{one['cron']} {one['timezone']}"),
            styled(one["function"] or ""),
            styled(one["next_runs"][0] if one["next_runs"] else ""),
            styled((last["outcome"], OUTCOME_STYLES.get(last["outcome"], ""))) if last else "",
        )
    console.print(table)
    if total > len(page):
        echo(console, (f"{len(page)} of {total}; --offset shows others", "dim"))


def _show_one(console: Console, one: dict[str, Any]) -> None:
    state = "on" if one["enabled"] else "off"
    echo(console, (one["name"], "bold"), "  ", (state, "green" if one["enabled"] else "yellow"))
    if one["fault"]:
        echo(console, "  ", (one["fault"], "red"))
    for member in ("cron", "timezone", "function", "group", "overlap", "missed", "owner", "origin"):
        echo(console, "  ", (f"{member:<9}", "dim"), str(one.get(member, "")))
    for number, at in enumerate(one["next_runs"]):
        echo(console, "  ", ("next     " if number == 0 else " " * 9, "dim"), at)
    if not one["last_runs"]:
        return
    table = _table("Due", "Outcome", "Task", "Status", "Reason")
    for run_ in one["last_runs"][:RUNS_SHOWN]:
        table.add_row(
            styled(run_["due_at"]),
            styled((run_["outcome"], OUTCOME_STYLES.get(run_["outcome"], ""))),
            styled(run_["task_id"] or ""),
            styled(run_["task_status"] or ""),
            styled((run_["reason"] or "", "dim")),
        )
    console.print(table)


def _table(*headings: str) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 3, 0, 0))
    for heading in headings:
        table.add_column(heading)
    return table
