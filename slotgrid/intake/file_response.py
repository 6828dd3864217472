"""Answers that send a file from disk."""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.web_request import BaseRequest


class FileAnswer(web.FileResponse):
    """A file on disk.

    aiohttp opens the file in a thread and leaks it if the caller disconnects, which cancels the
    handler, at that moment. It would also send `data.csv.gz`, another file of the task, in place of
    `data.csv` to a caller who accepts gzip.
    """

    def _get_file_path_stat_encoding(
        self, accept_encoding: str
    ) -> tuple[Path | None, os.stat_result, str | None]:
        return super()._get_file_path_stat_encoding("")

    async def prepare(self, request: BaseRequest) -> AbstractStreamWriter | None:
        """Send the file. If cancelled, first wait for the send to end and close the file."""
        sending = asyncio.ensure_future(super().prepare(request))
        try:
            return await asyncio.shield(sending)
        except asyncio.CancelledError:
            await asyncio.gather(sending, return_exceptions=True)
            raise


class OpenFileAnswer(FileAnswer):
    """A file that is open already: its path may lead elsewhere meanwhile. Closes the file."""

    def __init__(self, file: BinaryIO, *, headers: Mapping[str, str]) -> None:
        super().__init__(Path(f"/proc/self/fd/{file.fileno()}"), headers=headers)
        self._file = file

    async def prepare(self, request: BaseRequest) -> AbstractStreamWriter | None:
        """Send the file, and close it."""
        try:
            return await super().prepare(request)
        finally:
            self._file.close()
