"""One node for each data folder: two would delete each other's files."""

import asyncio
import fcntl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

import structlog

from slotgrid.runtime.start_fault import StartFault

log = structlog.get_logger()

LOCK = "lock"
LOOK_S = 1.0
"""Seconds between two checks of `keep_data_folder`."""


class DataFolderTaken(StartFault):
    """Another running node uses the folder."""


@contextmanager
def data_folder(folder: Path) -> Iterator[Path]:
    """Create the folder if needed, and lock it for this process until the end of the block.

    The kernel releases the lock however the process ends.
    Raises DataFolderTaken, or StartFault when the folder cannot be written.
    """
    with _lock_file(folder) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataFolderTaken(
                f"the data folder {folder} is used by another node that is running; "
                "give this one a DATA_DIR of its own"
            ) from None
        yield folder


def _lock_file(folder: Path) -> IO[str]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return (folder / LOCK).open("w")
    except OSError as error:
        raise StartFault(
            f"the data folder {folder} cannot be used: {error.strerror}; make it a folder that "
            "this user may write to, or set DATA_DIR"
        ) from error


async def keep_data_folder(folder: Path, *, remake: bool) -> None:
    """Log when the folder of a running node is removed or replaced, and when it is back.

    `remake`: create it again, and lock it. Otherwise only the original folder helps, since a new
    one lacks the files that the node has open.
    """
    mine, lost = _identity(folder), False
    with ExitStack() as locks:
        while True:
            await asyncio.sleep(LOOK_S)
            is_mine = _identity(folder) == mine
            if not is_mine and not lost:
                lost = True
                log.error("data_folder.removed", folder=str(folder), remade=remake)
            if not is_mine and remake:
                with suppress(StartFault):
                    locks.enter_context(data_folder(folder))
                    mine, is_mine = _identity(folder), True
            if is_mine and lost:
                lost = False
                log.info("data_folder.back", folder=str(folder))


def _identity(folder: Path) -> tuple[int, int] | None:
    """Device and inode of the folder, which a replacement does not share; None if it is gone."""
    with suppress(OSError):
        found = folder.stat()
        return found.st_dev, found.st_ino
    return None
