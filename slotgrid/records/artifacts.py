"""Artifacts: the files that tasks save, a folder for each task, with size limits."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from slotgrid.core.task import Task
from slotgrid.core.task_parts import Artifact, FileData
from slotgrid.records.artifact_limits import ArtifactFault, ArtifactLimits
from slotgrid.records.file_data import Content, UnusableFile, opened, whole
from slotgrid.records.file_names import is_file_name
from slotgrid.records.shared_files import File, SharedFiles, is_file, partial_path
from slotgrid.runtime.content_types import content_type_of
from slotgrid.runtime.safe_paths import inside
from slotgrid.runtime.threads import in_thread

INLINE_LIMIT = 64 * 1024


class ArtifactNotWritten(RuntimeError):
    """The node's disk did not take a file; the message says why, without the node's paths."""


class ArtifactStore:
    """Keeps files under `folder/{task id}/{name}`.

    Tasks that only memory holds end with their process. The next process removes their files
    with `clear`.
    """

    def __init__(self, folder: Path, limits: ArtifactLimits | None = None) -> None:
        self._folder = folder
        self.limits = limits or ArtifactLimits()
        self.shared: SharedFiles | None = None
        """Storage of durable tasks' files that every node can read, if there is one."""

    def clear(self, *, keep: Collection[str] = ()) -> None:
        """Remove the files of every task that is not in `keep`."""
        if not self._folder.is_dir():
            return
        kept = frozenset(keep)
        for folder in self._folder.iterdir():
            if folder.name not in kept:
                shutil.rmtree(folder, ignore_errors=True)

    def task_ids(self) -> list[str]:
        """Ids of the tasks that have a local folder."""
        return [folder.name for folder in self._folder.iterdir()] if self._folder.is_dir() else []

    async def remove_ids(self, task_ids: Collection[str]) -> None:
        """Remove the files of these tasks, in the shared storage as well."""
        await asyncio.to_thread(_remove_folders, [self._of(task_id) for task_id in task_ids])
        if self.shared is not None:
            await self.shared.remove(task_ids)

    async def share(self, task: Task) -> None:
        """Copy the task's files to the shared storage, if there is one. Raises NotShared."""
        if self.shared is not None:
            for name in task.artifacts:
                await self.shared.put(task.id, name, self.path(task.id, name))

    async def leave_to_shared(self, task: Task) -> None:
        """Remove the task's local files if there is a shared storage."""
        if self.shared is not None and task.artifacts:
            await asyncio.to_thread(_remove_folders, [self._of(task.id)])

    async def open(self, task_id: str, name: str) -> File | None:
        """Open a local or shared file of the task; None if it does not exist."""
        path = self.path(task_id, name)
        if await asyncio.to_thread(is_file, path):
            return path
        return None if self.shared is None else await self.shared.open(task_id, name)

    async def save(self, task: Task, name: str, data: FileData) -> Artifact:
        """Save a file of the task; it replaces a file of the same name.

        `name` is one that `file_names.file_name` made. Raises ArtifactFault for another name, for
        data that cannot be read or for too many bytes, ArtifactNotWritten when the disk fails.
        """
        _check_name(name)
        content = whole(data)
        if content is not None and len(content) <= INLINE_LIMIT:
            with self.limits.writing(task, name) as growth, _disk_faults(name):
                growth.add(len(content))
                # Cheaper than a switch to a thread.
                _write(self.path(task.id, name), content)
            return _noted(task, name, len(content))
        try:
            async with opened(data if content is None else content) as opened_data:
                return await self._write_pieces(task, name, opened_data)
        except UnusableFile as cause:
            raise ArtifactFault(f"{name!r} cannot be saved: {cause}") from cause

    async def receive(self, task: Task, name: str, pieces: AsyncIterator[bytes]) -> Artifact:
        """Save a file that arrives in pieces from another node.

        Raises ArtifactFault, or ArtifactNotWritten when the disk fails.
        """
        _check_name(name)
        return await self._write_pieces(task, name, Content(pieces))

    async def _write_pieces(self, task: Task, name: str, content: Content) -> Artifact:
        path = self.path(task.id, name)
        with self.limits.writing(task, name) as growth, _disk_faults(name):
            if content.size is not None:
                growth.check(content.size)
            partial = partial_path(path)
            try:
                file = await in_thread(_create, partial)
                try:
                    async for piece in content.pieces:
                        growth.add(len(piece))
                        await in_thread(file.write, piece)
                finally:
                    await in_thread(file.close)
                partial.replace(path)
            except BaseException:
                partial.unlink(missing_ok=True)
                raise
        return _noted(task, name, growth.size)

    def new_path(self, task: Task, name: str) -> Path:
        """Path where another program may write a file of the task; call `adopt` afterwards."""
        path = self.path(task.id, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def adopt(self, task: Task, path: Path) -> Artifact:
        """Add a file that was written at `new_path` to the task's artifacts.

        Raises ArtifactFault for too many bytes; the file is removed then.
        """
        size = path.stat().st_size
        with self.limits.writing(task, path.name) as growth:
            try:
                growth.add(size)
            except ArtifactFault:
                path.unlink()
                raise
        return _noted(task, path.name, size)

    def path(self, task_id: str, name: str) -> Path:
        """Local path of a file of the task. Raises OutsideFolder."""
        return inside(self._folder, task_id, name)

    def _of(self, task_id: str) -> Path:
        return inside(self._folder, task_id)

    def remove(self, task: Task) -> None:
        """Remove the task's files."""
        if task.artifacts:
            shutil.rmtree(self._of(task.id), ignore_errors=True)


def _remove_folders(folders: Sequence[Path]) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def _noted(task: Task, name: str, size: int) -> Artifact:
    artifact = task.artifacts[name] = Artifact.of(task.id, name, size, content_type_of(name))
    return artifact


@contextmanager
def _disk_faults(name: str) -> Iterator[None]:
    """Raises ArtifactNotWritten for an OSError of the block, whose text may have a path."""
    try:
        yield
    except OSError as cause:
        reason = cause.strerror or type(cause).__name__
        raise ArtifactNotWritten(f"the file {name!r} cannot be written: {reason}") from cause


def _write(path: Path, content: bytes) -> None:
    """Write to a temporary name, then rename, so that no reader gets half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = partial_path(path)
    try:
        partial.write_bytes(content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _create(partial: Path) -> BinaryIO:
    partial.parent.mkdir(parents=True, exist_ok=True)
    return partial.open("xb")


def _check_name(name: str) -> None:
    if not is_file_name(name):
        raise ArtifactFault(f"{name[:200]!r} is not the name of a file")
