"""What a task's file is made from: bytes, text, a path, an open file, or pieces as they come."""

import os
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG
from typing import Any, BinaryIO

from slotgrid.core.event_log import well_formed
from slotgrid.core.task_parts import FileData
from slotgrid.runtime.threads import in_thread

PIECE_BYTES = 1024 * 1024
"""Bytes of one read: a file of any size takes this much memory."""


class UnusableFile(ValueError):
    """The data is not that of a file, or its path leads to none; the message says why."""


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes of a file to be saved, in pieces; `size` is None where only the end shows it."""

    pieces: AsyncIterator[bytes]
    size: int | None = None


def whole(data: object) -> bytes | None:
    """The content, if it is in memory; None for what has to be read."""
    if isinstance(data, str):
        return well_formed(data).encode()
    return bytes(data) if isinstance(data, bytes | bytearray | memoryview) else None


@asynccontextmanager
async def opened(data: FileData) -> AsyncIterator[Content]:
    """Open the data for reading; a path is closed again. Raises UnusableFile."""
    content = whole(data)
    if content is not None:
        yield Content(_once(content), len(content))
    elif isinstance(data, os.PathLike):
        file, size = await in_thread(open_regular, Path(data))
        try:
            yield Content(_read(file), size)
        finally:
            file.close()
    elif isinstance(data, AsyncIterable):
        async with AsyncExitStack() as stack:
            if hasattr(data, "aclose"):
                stack.push_async_callback(data.aclose)
            yield Content(_checked(data))
    elif callable(getattr(data, "read", None)):
        yield Content(_read(data))
    else:
        raise UnusableFile(
            "expected bytes, text, a Path, an open binary file or an asynchronous iterator of "
            f"bytes, got {type(data).__name__}"
        )


def open_regular(path: Path) -> tuple[BinaryIO, int]:
    """Open a regular file for reading; returns it and its size. Raises UnusableFile.

    A link may lead to a file of its own folder or below: one that was unpacked from an archive
    cannot publish another file of the machine. Neither a device nor a pipe is waited for.
    """
    try:
        real = path.resolve(strict=True)
        if path.is_symlink() and not real.is_relative_to(path.parent.resolve()):
            raise UnusableFile(f"{path} is a link that leads out of its folder")
        descriptor = os.open(real, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except (OSError, RuntimeError) as cause:  # RuntimeError: links that form a circle
        raise UnusableFile(f"{path} cannot be read: {_reason(cause)}") from cause
    status = os.fstat(descriptor)
    if not S_ISREG(status.st_mode):
        os.close(descriptor)
        raise UnusableFile(f"{path} is not a regular file")
    return os.fdopen(descriptor, "rb", buffering=0), status.st_size


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def _read(file: Any) -> AsyncIterator[bytes]:
    """The file from its current position to its end."""
    while True:
        try:
            piece = await in_thread(file.read, PIECE_BYTES)
        except OSError as cause:
            raise UnusableFile(f"the file cannot be read: {_reason(cause)}") from cause
        if not (content := checked_piece(piece)):
            return
        yield content


def checked_piece(piece: object) -> bytes:
    """A piece that `read` of an open file returned. Raises UnusableFile if it is not bytes."""
    if isinstance(piece, str):
        raise UnusableFile("the file is open in text mode; open it in binary mode ('rb')")
    if not isinstance(piece, bytes | bytearray | memoryview):
        raise UnusableFile(f"`read` of the file returned {type(piece).__name__}, not bytes")
    return bytes(piece)


async def _checked(pieces: AsyncIterable[Any]) -> AsyncIterator[bytes]:
    async for piece in pieces:
        content = whole(piece)
        if content is None:
            raise UnusableFile(f"expected pieces of bytes, got {type(piece).__name__}")
        yield content


def _reason(cause: Exception) -> str:
    return (cause.strerror if isinstance(cause, OSError) else str(cause)) or type(cause).__name__
