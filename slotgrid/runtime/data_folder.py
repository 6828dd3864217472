"""One node for each data folder: two would sweep away each other's files."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from slotgrid.runtime.start_fault import StartFault

LOCK = "lock"


class DataFolderTaken(StartFault):
    """Another node that lives uses the folder."""


@contextmanager
def data_folder(folder: Path) -> Iterator[Path]:
    """The folder, made if need be, for this process alone until the end of the block.

    The kernel drops the lock with the process, however it ends.
    Raises DataFolderTaken, or StartFault when it cannot be written.
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
