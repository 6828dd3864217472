"""`slotgrid call`: run a function, watch it, get its result and its files."""

import asyncio
import json
import sys
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, cast

import click
from rich.console import Console

from slotgrid.cli.artifacts import show_artifacts
from slotgrid.cli.failure import Exit, Failure
from slotgrid.cli.live import View, view_on
from slotgrid.cli.node import Node, node_options
from slotgrid.cli.output import duration_text, echo, print_json, screen
from slotgrid.cli.tasks import show_accepted
from slotgrid.cli.tracebacks import show_traceback
from slotgrid.cli.values import InvalidWords, read_input
from slotgrid.client import Accepted, Answer, Client, DurableFields, Problem, TaskFields

BYTE_ORDER_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"
HANDED_OVER = ("async", "webhook")
DURABLE_OPTIONS = ("webhook", "not_before", "expires_at")


@dataclass(frozen=True, kw_only=True)
class Call:
    """The parsed command line."""

    function: str
    words: tuple[str, ...]
    given: dict[str, Any]
    mode: str
    fields: DurableFields
    idempotency_key: str | None
    save_to: Path | None


@click.command(short_help="Run a function.")
@click.argument("function")
@click.argument("words", metavar="[NAME=VALUE | NAME:=JSON]...", nargs=-1)
@click.option(
    "--mode",
    type=click.Choice(["sync", "stream", "async", "webhook"]),
    help="Wait for the result (sync), also print the task's events (stream), or submit a durable "
    "task and return (async, webhook).  [default: sync; webhook with --webhook]",
)
@click.option("--input", "source", metavar="JSON|@FILE|-", help="The input as a JSON object.")
@click.option("--priority", type=int, help="1 (highest) to 9.  [default: 5]")
@click.option("--timeout-s", type=float, help="Time limit of one attempt, in seconds.")
@click.option("--wait-s", type=float, help="Seconds that the task may wait for a slot.")
@click.option("--webhook", metavar="URL", help="URL that receives the result of a durable task.")
@click.option(
    "--not-before", metavar="TIME", help="Durable: the earliest time to run it, ISO 8601."
)
@click.option(
    "--expires-at", metavar="TIME", help="Durable: the latest time to start it, ISO 8601."
)
@click.option(
    "--idempotency-key", metavar="TEXT", help="Durable: a repeated key returns the same task."
)
@click.option("--group", help="Group of the function.")
@click.option("--contract", type=int, help="Contract of the group.")
@click.option(
    "--save",
    "save_to",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the task's artifacts.",
)
@click.option("--json", "plain", is_flag=True, help="Print JSON, also on a terminal.")
@node_options()
@click.pass_obj
def call(
    node: Node,
    /,
    *,
    function: str,
    words: tuple[str, ...],
    mode: str | None,
    source: str | None,
    webhook: str | None,
    idempotency_key: str | None,
    save_to: Path | None,
    plain: bool,
    **fields: Any,
) -> None:
    """Run FUNCTION with NAME=VALUE as its input and print its result as JSON.

    Each value is read as the type that the function's schema gives it; NAME:=JSON is JSON
    whatever the schema says. Only the result goes to stdout; what the task says on its way goes to
    stderr. Ctrl-C cancels the task.

    A task that is handed over (--mode async or webhook) goes on by itself, whatever happens here:
    its id goes to stdout, and `slotgrid tasks` shows what becomes of it.

    Exit codes: 0 done, 1 the task failed, 2 wrong input or usage, 3 the node was not reached or
    did not let it in, 130 interrupted.
    """
    request = Call(
        function=function,
        words=words,
        given=_read_source(source),
        mode=mode or ("webhook" if webhook else "sync"),
        fields=cast(DurableFields, fields | {"webhook": {"url": webhook} if webhook else None}),
        idempotency_key=idempotency_key,
        save_to=save_to,
    )
    _check_mode(request)
    if request.mode in HANDED_OVER:
        show_accepted(node.ask(lambda client: _hand_over(client, request)))
        return
    answer = node.ask(lambda client: _run(client, request, screen(err=True)))
    print_json(answer.result, plain=plain)


def _check_mode(request: Call) -> None:
    """Raise UsageError for options that do not fit the mode."""
    if request.mode in HANDED_OVER:
        if (request.mode == "webhook") != (request.fields["webhook"] is not None):
            raise click.UsageError("--webhook requires --mode webhook, and the reverse.")
        if request.save_to is not None:
            raise click.UsageError(
                "Files of a durable task are saved after its end: "
                "`slotgrid tasks follow ID --save` does it."
            )
        return
    given = {**request.fields, "idempotency_key": request.idempotency_key}
    wrong = [name for name in (*DURABLE_OPTIONS, "idempotency_key") if given.get(name) is not None]
    if wrong:
        option = wrong[0].replace("_", "-")
        raise click.UsageError(f"--{option} requires --mode async or webhook.")


async def _hand_over(client: Client, request: Call) -> Accepted:
    values = await _values(client, request)
    return await client.submit(
        request.function, values, idempotency_key=request.idempotency_key, **request.fields
    )


async def _values(client: Client, request: Call) -> dict[str, Any]:
    """The input, with the words typed by the function's schema. Raises Failure."""
    described = await client.function(request.function)
    try:
        return read_input(request.words, request.given, described["input"])
    except InvalidWords as error:
        raise Failure(
            f"The input does not match the schema of {request.function}",
            exit_code=Exit.USAGE,
            faults=error.faults,
            advice=f"`slotgrid functions {request.function}` shows its fields.",
        ) from error


async def _run(client: Client, request: Call, console: Console) -> Answer:
    """Run the whole call; artifacts are shown also if the task failed."""
    values = await _values(client, request)
    try:
        with view_on(console, request.function) as view:
            answer = await _finish(client, request, values, view)
    except Problem as problem:
        if problem.task_id is not None:
            if problem.name == "function-failed":
                await show_traceback(client, problem.task_id, console)
            await show_artifacts(client, problem.task_id, request.save_to, console)
        raise
    except asyncio.CancelledError:
        echo(console, ("✗ ", "bold red"), "Interrupted: disconnecting, which cancels the task.")
        raise
    await show_artifacts(client, answer.id, request.save_to, console)
    took = f"{duration_text(answer.run_ms)}, waited {duration_text(answer.queued_ms)}"
    where = f" · {answer.worker}" if answer.worker else ""
    echo(console, ("✓ ", "bold green"), request.function, (f"  {took}{where} · {answer.id}", "dim"))
    return answer


async def _finish(client: Client, request: Call, values: dict[str, Any], view: View) -> Answer:
    fields = cast(TaskFields, {n: v for n, v in request.fields.items() if n not in DURABLE_OPTIONS})
    if request.mode == "sync":
        return await client.call(request.function, values, **fields)
    last = None
    async with aclosing(client.stream(request.function, values, **fields)) as events:
        async for event in events:
            view.show(event)
            last = event
    assert last is not None, "a stream ends with `done` or raises"
    return Answer.parse(last.payload)


def _read_source(source: str | None) -> dict[str, Any]:
    """The JSON object of `--input`: JSON text, `@file`, or `-` for stdin."""
    if source is None:
        return {}
    try:
        if source == "-":
            text = sys.stdin.read().removeprefix(BYTE_ORDER_MARK)
        else:
            text = Path(source[1:]).read_text("utf-8-sig") if source.startswith("@") else source
        given = json.loads(text)
    except OSError as error:
        _not_an_object(f"{source[1:]}: {error.strerror}")
    except (ValueError, RecursionError) as error:
        _not_an_object(f"It is not JSON: {error}.")
    if not isinstance(given, dict):
        _not_an_object(f"Expected a JSON object, got {json.dumps(given)[:60]}.")
    return given


def _not_an_object(detail: str) -> NoReturn:
    raise Failure("--input cannot be used", exit_code=Exit.USAGE, detail=detail)
