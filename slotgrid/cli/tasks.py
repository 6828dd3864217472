"""`slotgrid tasks`: lists tasks, and shows, follows, cancels, retries or redelivers them."""

from collections.abc import Callable, Coroutine
from contextlib import aclosing
from pathlib import Path
from typing import Any, cast

import click

from slotgrid.cli.artifacts import show_artifacts
from slotgrid.cli.live import view_on
from slotgrid.cli.node import Node, node_options
from slotgrid.cli.output import echo, print_json, screen
from slotgrid.cli.step_tree import follow_steps
from slotgrid.cli.task_views import show_task, show_tasks
from slotgrid.client import Accepted, Answer, Client, TaskFilters

PATIENCE_S = 60.0
"""Seconds for which `follow` waits for an unreachable node: longer than a restart takes."""
STATES = ("queued", "running", "completed", "failed", "cancelled")
DELIVERIES = ("pending", "delivered", "failed")


@click.group(invoke_without_command=True, short_help="List, follow, cancel, retry tasks.")
@node_options()
@click.pass_context
def tasks(context: click.Context, /) -> None:
    """Show the tasks of the node and do things with them; alone it lists the newest."""
    if context.invoked_subcommand is None:
        context.invoke(list_tasks)


def _filters(command: Callable[..., Any]) -> Callable[..., Any]:
    """The filters of `GET /tasks` as options."""
    for option in reversed(
        (
            click.option(
                "--status", type=click.Choice(STATES), multiple=True, help="Filter by state."
            ),
            click.option("--function", help="Filter by function."),
            click.option("--owner", help="Filter by the user who submitted the task."),
            click.option("--worker", help="Filter by worker."),
            click.option("--schedule", help="Filter by schedule."),
            click.option(
                "--delivery",
                type=click.Choice(DELIVERIES),
                help="Filter by the state of the webhook.",
            ),
            click.option(
                "--since",
                metavar="TIME",
                help="Filter by creation at this time or later, ISO 8601.",
            ),
            click.option(
                "--until", metavar="TIME", help="Filter by creation before this time, ISO 8601."
            ),
            click.option(
                "-q", "q", metavar="TEXT", help="Filter by a part of the id, function or error."
            ),
        )
    ):
        command = option(command)
    return command


@tasks.command("list", short_help="List tasks, newest first.")
@_filters
@click.option("-n", "--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@click.option("--offset", type=click.IntRange(0), default=0, help="Number of tasks to skip.")
@click.option("--json", "plain", is_flag=True, help="Print the node's answer as JSON.")
@node_options()
@click.pass_obj
def list_tasks(node: Node, /, *, limit: int, offset: int, plain: bool, **filters: Any) -> None:
    """List tasks, newest first; times are UTC."""
    wanted = _wanted(filters)
    page = node.ask(lambda client: client.tasks(limit=limit, offset=offset, **wanted))
    if plain:
        print_json({"tasks": page.tasks, "total": page.total}, plain=True)
    else:
        show_tasks(screen(), page, offset)


@tasks.command(short_help="Show a task with all its details.")
@click.argument("task_id")
@click.option("--wait-s", type=float, help="Seconds to wait for its end.")
@click.option("-f", "--follow", "follows", is_flag=True, help="Show its steps until it ends.")
@click.option("--json", "plain", is_flag=True, help="Print the node's answer as JSON.")
@node_options()
@click.pass_obj
def show(node: Node, /, *, task_id: str, wait_s: float | None, follows: bool, plain: bool) -> None:
    """Show a task: its state, times, attempts, deliveries, and its result or error.

    A flow's steps are a tree; with --follow they are shown as they go on.
    """
    if follows:
        task = node.ask(lambda client: follow_steps(client, screen(err=True), task_id))
    else:
        task = node.ask(lambda client: client.task(task_id, wait_s=wait_s))
    if plain:
        print_json(task, plain=True)
    else:
        show_task(screen(), task)


@tasks.command(short_help="Cancel tasks.")
@click.argument("task_ids", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Cancel all tasks that match the filters.")
@_filters
@node_options()
@click.pass_obj
def cancel(node: Node, /, *, task_ids: tuple[str, ...], everything: bool, **filters: Any) -> None:
    """Cancel the tasks of these ids, or with --all every queued and running one that the filters
    name.
    """
    wanted = _wanted(filters)
    if everything == bool(task_ids):
        raise click.UsageError("Name the tasks, or say --all.")
    if wanted and not everything:
        raise click.UsageError("Filters require --all.")

    async def ask(client: Client) -> list[str]:
        if everything:
            return await client.cancel_all(**wanted)
        for task_id in task_ids:
            await client.cancel(task_id)
            echo(screen(), ("✓ ", "bold green"), f"cancelled {task_id}")
        return []

    cancelled = node.ask(ask)
    if everything:
        echo(screen(), ("✓ ", "bold green"), f"cancelled {len(cancelled)}")


@tasks.command(short_help="Run a finished task's input again.")
@click.argument("task_id")
@node_options()
@click.pass_obj
def retry(node: Node, /, *, task_id: str) -> None:
    """Run the input of a finished task again, as a new task in the same mode.

    What a durable task was accepted as goes to stdout, of any other its result, as JSON.
    """
    answer = node.ask(lambda client: client.retry(task_id))
    if isinstance(answer, Accepted):
        show_accepted(answer)
    else:
        print_json(answer.result)


@tasks.command(short_help="Send a task's webhook again.")
@click.argument("task_ids", nargs=-1, required=True)
@node_options()
@click.pass_obj
def redeliver(node: Node, /, *, task_ids: tuple[str, ...]) -> None:
    """Send the webhooks of finished tasks again, each from its first attempt.

    `slotgrid tasks list --delivery failed` names those that nobody took.
    """

    async def ask(client: Client) -> None:
        for task_id in task_ids:
            await client.redeliver(task_id)
            echo(screen(), ("✓ ", "bold green"), f"sending {task_id} again")

    node.ask(ask)


@tasks.command(short_help="Follow a task's events live, and show its result.")
@click.argument("task_id")
@click.option(
    "--save",
    "save_to",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the task's artifacts.",
)
@click.option("--json", "plain", is_flag=True, help="Print JSON, also on a terminal.")
@node_options()
@click.pass_obj
def follow(node: Node, /, *, task_id: str, save_to: Path | None, plain: bool) -> None:
    """Show what a task said and says until it ends, then its result on stdout.

    A node that restarts meanwhile is waited for. Ctrl-C does the task no harm. Exit codes as of
    `slotgrid call`.
    """
    answer = node.ask(_following(task_id, save_to))
    print_json(answer.result, plain=plain)


def show_accepted(accepted: Accepted) -> None:
    """Print a task that was handed over: JSON on stdout, the next command on stderr."""
    print_json(
        {
            "id": accepted.id,
            "status": accepted.status,
            "queue_position": accepted.queue_position,
        }
    )
    echo(screen(err=True), ("→ ", "cyan"), f"slotgrid tasks follow {accepted.id}")


def _following(
    task_id: str, save_to: Path | None
) -> Callable[[Client], Coroutine[Any, Any, Answer]]:
    async def ask(client: Client) -> Answer:
        console = screen(err=True)
        title = str((await client.task(task_id))["function"])
        last = None
        with view_on(console, title) as view:
            async with aclosing(client.events(task_id, patience_s=PATIENCE_S)) as events:
                async for last in events:
                    view.show(last)
        assert last is not None, "a task's events end with `done` or raise"
        await show_artifacts(client, task_id, save_to, console)
        return Answer.parse(last.payload)

    return ask


def _wanted(options: dict[str, Any]) -> TaskFilters:
    """The filters that were given."""
    given = {name: value for name, value in options.items() if value}
    if "status" in given:
        given["status"] = ",".join(given["status"])
    return cast(TaskFilters, given)
