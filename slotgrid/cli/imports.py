"""`slotgrid import`: recipes and command lists of other systems as files of ours."""

import json
import os
import subprocess
import sys
from pathlib import Path, PurePosixPath
from typing import Any

import click
from rich.console import Console

from slotgrid.cli.failure import Exit, Failure
from slotgrid.cli.output import echo, screen

IMPORTS = (sys.executable, "-m", "slotgrid.imports")
LIMIT_S = 120
_OPTIONS = (
    click.option(
        "--to",
        "target",
        type=click.Path(file_okay=False, path_type=Path),
        default=Path("functions"),
        show_default=True,
        help="The folder for the files.",
    ),
    click.option("--dry-run", is_flag=True, help="Write nothing."),
    click.option("--force", is_flag=True, help="Replace files that exist."),
)


def _options(command: Any) -> Any:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.group(name="import", short_help="Import recipes and command lists of other systems.")
def imports() -> None:
    """Turn recipes and command lists of other systems into files of Slotgrid.

    Each line that could not be translated, or that works differently, is named. Exit codes: 0 all
    was translated, 1 something was left out, 2 nothing could be read.
    """


@imports.command(short_help="Recipes of webtasks: a file, or a folder with tasks/ and scripts/.")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@_options
def webtask(*, path: Path, target: Path, dry_run: bool, force: bool) -> None:
    """Import a `.webtask` or YAML recipe of webtasks, or a folder of them.

    Of a folder, scripts, pools, mounts and secrets are imported too. TO is the functions folder:
    names of tasks become paths in it.
    """
    _import("webtask", path, target, dry_run=dry_run, force=force)


@imports.command(short_help="A command list of Moonsurf, as JSON for the function `commands`.")
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_options
def commands(*, path: Path, target: Path, dry_run: bool, force: bool) -> None:
    """Import a task of Moonsurf's browser-control, or its list of commands.

    The result is the input of the function `commands`.
    """
    _import("commands", path, target, dry_run=dry_run, force=force)


@imports.command(short_help="A workspace of Strøm: tasks, triggers and hooks.")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@_options
def stroem(*, path: Path, target: Path, dry_run: bool, force: bool) -> None:
    """Import the workflow files of a workspace of Strøm, or one of them.

    Tasks become flows, triggers `_schedules.yaml` and `_hooks.yaml`. Actions are functions that you
    write: each is named. TO is the functions folder of the balancer.
    """
    _import("stroem", path, target, dry_run=dry_run, force=force)


def _import(kind: str, path: Path, target: Path, *, dry_run: bool, force: bool) -> None:
    result = _imported(kind, path)
    console = screen()
    kept = 0
    for file in result["files"]:
        kept += not _write(console, target, file, dry_run=dry_run, force=force)
    left_out = _show_notes(console, result["notes"])
    console.print()
    count = len(result["files"]) - kept
    done = "would be written" if dry_run else "written"
    echo(console, (f"{count} {'file' if count == 1 else 'files'} {done}", "bold"), f" to {target}.")
    if kept:
        echo(console, (f"{kept} already there: --force replaces them.", "yellow"))
    if left_out:
        echo(console, (f"{left_out} {'line' if left_out == 1 else 'lines'} left out.", "bold red"))
    if left_out or kept or not result["files"]:
        sys.exit(Exit.TASK_FAILED)


def _imported(kind: str, path: Path) -> dict[str, Any]:
    """The files and notes of `python -m slotgrid.imports`. Raises Failure."""
    try:
        ran = subprocess.run(  # noqa: S603  the same interpreter, our own words
            [*IMPORTS, kind, str(path)],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=LIMIT_S,
        )
    except subprocess.TimeoutExpired as cause:
        raise Failure(
            f"The import took more than {LIMIT_S} s", exit_code=Exit.USAGE, detail=str(path)
        ) from cause
    if ran.returncode:
        said = (ran.stderr or ran.stdout).strip().splitlines()
        raise Failure(
            "The import failed", exit_code=Exit.USAGE, faults=[("", line) for line in said[-10:]]
        )
    return dict(json.loads(ran.stdout))


def _write(
    console: Console, target: Path, file: dict[str, Any], *, dry_run: bool, force: bool
) -> bool:
    """Write a file below the target; False if it exists, or cannot be there."""
    name = PurePosixPath(file["path"])
    path = target / name
    if name.is_absolute() or ".." in name.parts or not _is_below(path, target):
        echo(console, ("✗ ", "bold red"), f"{path} is outside of {target}")
        return False
    exists = os.path.lexists(path)
    if exists and not force:
        echo(console, ("✗ ", "bold red"), f"{path} is already there")
        return False
    if not dry_run:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.is_symlink():
                path.unlink()
            path.write_text(file["text"], encoding="utf-8")
        except OSError as cause:
            raise Failure(
                f"{path} cannot be written", exit_code=Exit.USAGE, detail=cause.strerror or ""
            ) from cause
    echo(console, ("✓ ", "bold green"), str(path), (f"  {file['source']}", "dim"))
    return True


def _is_below(path: Path, target: Path) -> bool:
    """Whether the folder of a path, links followed, is the target or in it."""
    return path.parent.resolve().is_relative_to(target.resolve())


def _show_notes(console: Console, notes: list[dict[str, Any]]) -> int:
    """Show the notes; how many say that something was left out."""
    for note in notes:
        mark = ("✗ ", "bold red") if note["left_out"] else ("→ ", "cyan")
        place = f"{note['path']}:{note['line']}"
        echo(console, mark, (place, "yellow"), f": {note['message']}")
    return sum(note["left_out"] for note in notes)
