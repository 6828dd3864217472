"""Lists the files that a task saved, or downloads them into a folder."""

from contextlib import aclosing
from pathlib import Path

from rich.console import Console

from slotgrid.cli.failure import Exit, Failure
from slotgrid.cli.output import echo, size_text
from slotgrid.client import Client, Problem
from slotgrid.runtime.safe_paths import OutsideFolder, inside


async def show_artifacts(
    client: Client, task_id: str, save_to: Path | None, console: Console
) -> None:
    """List the task's files by URL; with `save_to`, download them there. Raises Failure."""
    try:
        artifacts = await client.artifacts(task_id)
    except Problem as problem:
        if problem.name == "unknown-task":
            return  # the node keeps no finished tasks
        raise
    for artifact in artifacts:
        where = client.artifact_url(task_id, artifact.name)
        if save_to is not None:
            path = _inside(save_to, artifact.name)
            await _save(client, task_id, artifact.name, path)
            where = str(path)
        facts = f"  {artifact.content_type}, {size_text(artifact.size)}"
        echo(console, ("▪ ", "cyan"), where, (facts, "dim"))


async def _save(client: Client, task_id: str, name: str, path: Path) -> None:
    # Under another name until complete, so that a broken download leaves no partial file.
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("wb") as file:
                async with aclosing(client.artifact(task_id, name)) as pieces:
                    async for piece in pieces:
                        file.write(piece)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise Failure(
            f"{path} cannot be written", exit_code=Exit.USAGE, detail=error.strerror or str(error)
        ) from error


def _inside(folder: Path, name: str) -> Path:
    """The path for a file of that name. Raises Failure if it is outside the folder."""
    try:
        # A name may contain subfolders: each part is checked.
        return inside(folder, *name.split("/"))
    except OutsideFolder as cause:
        raise Failure(
            f"The artifact {name!r} was not saved",
            exit_code=Exit.REFUSED,
            detail=f"Its name points outside of {folder}.",
        ) from cause
