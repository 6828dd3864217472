"""Failures of commands: what happened, where, the remedy, and the exit code."""

from collections.abc import Iterable
from enum import IntEnum

from slotgrid.cli.output import echo, screen
from slotgrid.client import ClientError, NodeUnreachable, Problem
from slotgrid.runtime.settings import SettingsError


class Exit(IntEnum):
    """The exit codes, for scripts."""

    TASK_FAILED = 1
    USAGE = 2
    REFUSED = 3
    INTERRUPTED = 130  # 128 + SIGINT, as in a shell


ADVICE = {
    "invalid-input": "`slotgrid functions NAME` shows the fields of a function.",
    "mode-unsupported": "`slotgrid functions NAME` shows the modes of a function.",
    "unauthorized": "Set the node's key: AUTH_KEY in the environment or in .env, or --key.",
    "forbidden": "Use a key that has the scope.",
    "forbidden-address": "ALLOWED_PRIVATE_NETWORKS of the worker opens private addresses.",
    "unknown-function": "`slotgrid functions` lists the functions.",
    "function-failed": "The error above shows where; the task's artifacts may show more.",
    "output-invalid": "Correct the function: it must return JSON that matches its output schema.",
    "browser-crashed": "The slot has a fresh browser; try again.",
    "unknown-task": "`slotgrid tasks` lists the tasks of the node.",
    "task-finished": "`slotgrid tasks retry ID` runs its input again.",
    "database-unavailable": "Modes sync and stream work without it.",
    "maintenance": "`slotgrid on` ends maintenance.",
    "draining": "The node is about to exit; use another, or this one after its restart.",
    "queue-full": "`slotgrid health` shows the queue.",
    "wait-exceeded": "Wait longer with --wait-s; `slotgrid health` shows the queue.",
    "deadline-exceeded": "Raise --timeout-s, up to the function's own limit.",
}
# Their status is 403, 409 or 504, but the task itself has ended, so the exit code is TASK_FAILED.
TASK_ENDED = frozenset({"forbidden-address", "task-cancelled", "deadline-exceeded"})
NOT_LET_IN = frozenset({401, 403, 429, 503, 504})


class Failure(Exception):
    """Ends the command. `faults` are (place, message) pairs, printed below the detail."""

    def __init__(
        self,
        title: str,
        *,
        exit_code: Exit,
        detail: str = "",
        name: str = "",
        faults: Iterable[tuple[str, str]] = (),
        advice: str = "",
    ) -> None:
        super().__init__(title)
        self.title = title
        self.exit_code = exit_code
        self.detail = detail
        self.name = name
        self.faults = tuple(faults)
        self.advice = advice

    def show(self) -> None:
        """Print it to stderr."""
        console = screen(err=True)
        name = f"  {self.name}" if self.name else ""
        echo(console, ("✗ ", "bold red"), (self.title, "bold"), (name, "dim"))
        if self.detail:
            echo(console, f"  {self.detail}")
        for place, message in self.faults:
            echo(console, "  ", (place, "yellow"), f": {message}" if place else message)
        if self.advice:
            echo(console, ("  → ", "cyan"), self.advice)


def failure_of(error: ClientError, *, node_url: str) -> Failure:
    """The Failure to print for a client's error."""
    if isinstance(error, Problem):
        return _refused(error, node_url)
    if isinstance(error, NodeUnreachable):
        return Failure(
            f"No node answers at {error.url}",
            exit_code=Exit.REFUSED,
            detail=error.reason,
            advice="Start one here with `slotgrid up`, or name another with --url.",
        )
    return Failure(
        "The answer is not from a node",
        exit_code=Exit.REFUSED,
        detail=str(error),
        advice="--url or SLOTGRID_URL is the node's own address, without any path of the API.",
    )


def settings_failure(
    error: SettingsError | OSError,
    *,
    advice: str = "Correct .env, or name the node with --url and --key.",
) -> Failure:
    """The Failure to print if the settings of this folder cannot be read."""
    problems = error.problems if isinstance(error, SettingsError) else (str(error),)
    return Failure(
        "The settings of this folder are not valid",
        exit_code=Exit.USAGE,
        faults=[("", problem) for problem in problems],
        advice=advice,
    )


def _refused(problem: Problem, node_url: str) -> Failure:
    # A detail that repeats one of the listed faults is left out.
    told = any(f"{error.pointer}: {error.message}" in problem.detail for error in problem.errors)
    advice = [ADVICE.get(problem.name, f"{node_url}{problem.type} has advice.")]
    if problem.retry_after_s is not None:
        advice.append(f"Try again after {problem.retry_after_s:g} s.")
    return Failure(
        problem.title,
        exit_code=_exit_code(problem),
        detail="" if told else problem.detail,
        name=f"{problem.status} {problem.name}",
        faults=[(_place(error.pointer), error.message) for error in problem.errors],
        advice=" ".join(advice),
    )


def _place(pointer: str) -> str:
    """A JSON pointer into the body, for the user: fields of the input by their name."""
    return pointer.removeprefix("/input/") if pointer != "/input" else "input"


def _exit_code(problem: Problem) -> Exit:
    if problem.name in TASK_ENDED:
        return Exit.TASK_FAILED
    if problem.status in NOT_LET_IN:
        return Exit.REFUSED
    return Exit.USAGE if problem.status < 500 else Exit.TASK_FAILED
