"""Where files of durable tasks stay, for every node to read: a folder, or an S3 bucket."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Collection
from pathlib import Path
from typing import Protocol

from slotgrid.runtime.paths import inside

File = Path | AsyncIterator[bytes]
"""A file that can be read: where it lies, or its pieces."""


class NotShared(Exception):
    """A file could not be copied there; the message says which one and why."""


class SharedFiles(Protocol):
    """Keeps files under the id of their task and their name, which are checked already."""

    async def put(self, task_id: str, name: str, path: Path) -> None:
        """Copy a file there; readers see all of it or nothing. Raises NotShared."""

    async def open(self, task_id: str, name: str) -> File | None:
        """The file; None when there is none, or it cannot be had."""

    async def remove(self, task_ids: Collection[str]) -> None:
        """Remove the files of those tasks, as far as possible."""


class SharedFolder:
    """A folder that every node sees under the same path. Fulfils `SharedFiles`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def put(self, task_id: str, name: str, path: Path) -> None:
        """Copied beside its place first, and then put there."""
        try:
            await asyncio.to_thread(_copy, path, inside(self._folder, task_id, name))
        except OSError as cause:
            raise NotShared(f"{name}: {cause.strerror or cause}") from cause

    async def open(self, task_id: str, name: str) -> File | None:
        """Where it lies."""
        path = inside(self._folder, task_id, name)
        return path if await asyncio.to_thread(is_file, path) else None

    async def remove(self, task_ids: Collection[str]) -> None:
        """A folder for each task."""
        for task_id in task_ids:
            await asyncio.to_thread(
                shutil.rmtree, inside(self._folder, task_id), ignore_errors=True
            )


def is_file(path: Path) -> bool:
    """Whether the file is there for us; `Path.is_file` raises where a folder cannot be entered, and
    where a network file system fails.
    """
    try:
        return path.is_file()
    except OSError:
        return False


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.part")
    shutil.copyfile(source, partial)
    partial.replace(target)
