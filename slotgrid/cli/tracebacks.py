"""The traceback of a failed function, from the task's log."""

from rich.console import Console

from slotgrid.cli.output import echo
from slotgrid.client import Client, JsonObject, Problem

BEGINNING = "Traceback (most recent call last):"
NODE_STEP = "_node"
LINES_MOST = 40


async def show_traceback(client: Client, task_id: str, console: Console) -> None:
    """Print the traceback of the task's last attempt, if there is one."""
    try:
        log = await client.task_log(task_id)
    except Problem as problem:
        if problem.name == "unknown-task":
            return  # the node keeps no finished tasks
        raise
    lines = last_traceback(log)
    if len(lines) > LINES_MOST:
        lines = ["…", *lines[-LINES_MOST:]]
    for line in lines:
        echo(console, (f"│ {line}", "dim"))


def last_traceback(log: list[JsonObject]) -> list[str]:
    """The last attempt's traceback, with its causes; lines of `_node` separate the attempts."""
    lines: list[str] = []
    begins = True
    for entry in log:
        if entry["step"] == NODE_STEP:
            begins = True
        elif entry["stream"] == "stderr":
            lines = [entry["line"]] if begins else [*lines, entry["line"]]
            begins = False
    return lines[lines.index(BEGINNING) :] if BEGINNING in lines else []
