"""`slotgrid worker`, `balancer`, `up` and `check`: commands that start nodes as processes."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import click
from rich.console import Console

from slotgrid.cli.failure import Exit, Failure, settings_failure
from slotgrid.cli.local_fleet import LOCAL_DEFAULTS, LocalFleet, NotReady
from slotgrid.cli.output import echo, print_json, screen
from slotgrid.runtime.env_file import load_settings
from slotgrid.runtime.first_run import ensure_key
from slotgrid.runtime.setting_aliases import NodeKind
from slotgrid.runtime.settings import SettingsError

WORKER = [sys.executable, "-m", "worker"]
BALANCER = [sys.executable, "-m", "balancer"]


@click.command(short_help="Start a worker here.")
@click.option("--host", help="Address to listen on.")
@click.option("--port", type=int, help="Port to listen on; 0 selects a free one.")
@click.option("--slots", type=int, help="Tasks that run at the same time.")
@click.option(
    "--functions",
    "functions_dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the functions.",
)
@click.option("--log-level", help="Lowest level written: debug, info, warning, error.")
def worker(**options: object) -> None:
    """Start a worker in the foreground, as `python -m worker` does.

    Settings come from the environment and .env; an option goes before both.
    """
    _become(WORKER, options)


@click.command(short_help="Start a balancer here.")
@click.option("--host", help="Address to listen on.")
@click.option("--port", type=int, help="Port to listen on; 0 selects a free one.")
@click.option(
    "--workers",
    "workers_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File with the list of workers.  [default: workers.json]",
)
@click.option("--log-level", help="Lowest level written: debug, info, warning, error.")
def balancer(**options: object) -> None:
    """Start a balancer in the foreground, as `python -m balancer` does.

    It dials the workers of its file, and workers with its address in BALANCER_URL dial it.
    Settings come from the environment and .env; an option goes before both.
    """
    _become(BALANCER, options)


@click.command(short_help="Start a balancer and its workers here.")
@click.option(
    "--workers",
    type=click.IntRange(1, 100),
    help="Number of workers to start on free ports; workers.json is not read.",
)
def up(*, workers: int | None) -> None:
    """Start a balancer and its workers, and keep them all running.

    There is one worker for each loopback entry of workers.json, on the port of the entry; without
    that file there are two. Each has SLOTS slots. A process that ends is started again. Ctrl-C
    drains them: first the balancer, then the workers; a second one cancels what they have.
    """
    try:
        ensure_key(Path(), os.environ, NodeKind.BALANCER)
        settings = load_settings(defaults=LOCAL_DEFAULTS, kind=NodeKind.BALANCER)
    except (SettingsError, OSError) as error:
        raise settings_failure(error, advice="Correct .env or the environment.") from error
    console = screen(err=True)
    try:
        fleet = LocalFleet(settings, cwd=Path(), count=workers)
        fleet.start()
        fleet.wait_until_ready()
    except NotReady as error:
        raise Failure(str(error), exit_code=Exit(error.status), advice=error.advice) from error
    count = f"{fleet.workers} workers" if fleet.workers != 1 else "1 worker"
    echo(console, ("Slotgrid is ready", "bold green"), f"  {fleet.address}  {count}")
    sys.exit(fleet.stay(lambda line: echo(console, (line, "yellow"))))


def _become(command: list[str], options: Mapping[str, object]) -> NoReturn:
    """Become the node: a supervisor then has one process to watch and to signal."""
    given = {name.upper(): str(value) for name, value in options.items() if value is not None}
    os.execve(sys.executable, command, {**os.environ, **given})  # noqa: S606  no shell is wanted


@click.command(short_help="Check settings, functions and Chromium.")
@click.option("--json", "plain", is_flag=True, help="The checks as JSON.")
def check(*, plain: bool) -> None:
    """Check what a worker needs here, and say what to do about each fault.

    Starts no worker: the settings are read, the functions loaded, Chromium opened once.
    Exit codes: 0 all is well, 1 something is not.
    """
    console = screen()
    with screen(err=True).status("Checking settings, functions and Chromium"):
        report = _checked()
    if plain:
        print_json(report, plain=True)
    else:
        _show(console, report)
    sys.exit(0 if report["ok"] else 1)


def _checked() -> dict[str, Any]:
    """The report of `python -m worker --check`. Raises Failure if the check itself failed."""
    ran = subprocess.run(  # noqa: S603  the same interpreter, our own words
        [*WORKER, "--check"], capture_output=True, text=True, errors="replace", check=False
    )
    try:
        report = dict(json.loads(ran.stdout))
        _ = report["ok"], [(c["name"], c["ok"], c["detail"]) for c in report["checks"]]
    except (ValueError, KeyError, TypeError) as error:
        said = (ran.stderr or ran.stdout).strip().splitlines()
        raise Failure(
            f"The check itself failed with status {ran.returncode}",
            exit_code=Exit.TASK_FAILED,
            faults=[("", line) for line in said[-10:]],
        ) from error
    return report


def _show(console: Console, report: dict[str, Any]) -> None:
    checks = report["checks"]
    width = max((len(one["name"]) for one in checks), default=0)
    for one in checks:
        mark = ("✓ ", "bold green") if one["ok"] else ("✗ ", "bold red")
        echo(console, mark, (f"{one['name']:<{width}}  ", "bold"), str(one["detail"]))
        if one.get("advice"):
            echo(console, " " * (width + 4), ("→ ", "cyan"), str(one["advice"]))
    faults = sum(not one["ok"] for one in checks)
    console.print()
    if faults:
        echo(console, (f"{faults} of {len(checks)} checks found a fault.", "bold red"))
    else:
        echo(console, ("All checks passed.", "bold green"), " `slotgrid worker` starts a worker.")
