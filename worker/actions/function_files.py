"""Files of the functions folder that actions may read: scripts, data, files to upload."""

import asyncio
from pathlib import Path, PurePosixPath

from worker.actions.errors import ActionFailed

FILE_MOST = 10 * 1024 * 1024
"""Bytes of a file that an action reads whole."""


class FileMissing(ActionFailed):
    """The functions folder has no such file."""


class FunctionFiles:
    """The functions folder, seen from one of its files.

    A path is relative to that file's own folder, or with a leading `/` to the functions folder.
    """

    def __init__(self, folder: Path, beside: PurePosixPath | None = None) -> None:
        self._folder = folder
        self._beside = beside or PurePosixPath()

    def path(self, name: str) -> Path:
        """The file of that name below the functions folder. Raises FileMissing, ActionFailed."""
        try:
            root = self._folder.resolve()
            base = root if name.startswith("/") else root / self._beside
            found = (base / name.lstrip("/")).resolve()
        except (OSError, ValueError, RuntimeError) as cause:
            raise ActionFailed(f"{name!r} is no path: {cause}") from cause
        if not found.is_relative_to(root):
            raise ActionFailed(f"{name!r} is outside of the functions folder")
        if not found.is_file():
            raise FileMissing(f"the functions folder has no file {name!r}")
        return found

    async def read(self, name: str) -> bytes:
        """The file's bytes. Raises ActionFailed, also above FILE_MOST."""
        return await asyncio.to_thread(self._read, name)

    async def read_text(self, name: str) -> str:
        """The file's text. Raises ActionFailed, also if it is not UTF-8."""
        try:
            return (await self.read(name)).decode("utf-8-sig")
        except UnicodeDecodeError as cause:
            raise ActionFailed(f"{name!r} is not UTF-8: {cause.reason}") from cause

    def _read(self, name: str) -> bytes:
        path = self.path(name)
        try:
            with path.open("rb") as file:
                data = file.read(FILE_MOST + 1)
        except OSError as cause:
            raise ActionFailed(f"{name!r} cannot be read: {cause.strerror}") from cause
        if len(data) > FILE_MOST:
            raise ActionFailed(f"{name!r} is larger than {FILE_MOST} bytes")
        return data
