"""Shared storage of durable tasks' files, readable by every node: a folder or S3 bucket."""

import asyncio
import secrets
import shutil
from collections.abc import AsyncIterator, Collection
from pathlib import Path
from typing import Protocol

from slotgrid.runtime.safe_paths import inside

File = Path | AsyncIterator[bytes]
"""A readable file: its path or its pieces."""


class NotShared(Exception):
    """A file could not be copied to the storage; the message names it and the reason."""


class SharedFiles(Protocol):
    """Keeps files by task id and name, which the caller has checked."""

    async def put(self, task_id: str, name: str, path: Path) -> None:
        """Copy a file to the storage; readers see all of it or nothing. Raises NotShared."""

    async def open(self, task_id: str, name: str) -> File | None:
        """The file; None if it is missing or unreadable."""

    async def remove(self, task_ids: Collection[str]) -> None:
        """Remove the files of these tasks, as far as possible."""


class SharedFolder:
    """A folder with the same path on every node. Implements `SharedFiles`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def put(self, task_id: str, name: str, path: Path) -> None:
        """Copy to a temporary name beside the target, then rename."""
        try:
            await asyncio.to_thread(_copy, path, inside(self._folder, task_id, name))
        except OSError as cause:
            raise NotShared(f"{name}: {cause.strerror or type(cause).__name__}") from cause

    async def open(self, task_id: str, name: str) -> File | None:
        """Path of the file; None if it is missing or unreadable."""
        path = inside(self._folder, task_id, name)
        return path if await asyncio.to_thread(is_file, path) else None

    async def remove(self, task_ids: Collection[str]) -> None:
        """Remove each task's folder."""
        for task_id in task_ids:
            await asyncio.to_thread(
                shutil.rmtree, inside(self._folder, task_id), ignore_errors=True
            )


def is_file(path: Path) -> bool:
    """Whether the file exists and is accessible. `Path.is_file` raises if a folder is not
    accessible, and if a network file system fails.
    """
    try:
        return path.is_file()
    except OSError:
        return False


def partial_path(path: Path) -> Path:
    """A path beside `path` for what is not yet complete: one for each writer.

    No file of a task has a name with a leading dot.
    """
    return path.with_name(f".{secrets.token_hex(8)}.part")


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = partial_path(target)
    try:
        shutil.copyfile(source, partial)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
