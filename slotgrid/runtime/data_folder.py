"""One node for each data folder: two would sweep away each other's files."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK = "lock"


class DataFolderTaken(Exception):
    """Another node that lives uses the folder."""


@contextmanager
def data_folder(folder: Path) -> Iterator[Path]:
    """The folder, made if need be, for this process alone until the end of the block.

    The kernel drops the lock with the process, however it ends.
    Raises DataFolderTaken, or OSError when it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataFolderTaken(
                f"the data folder {folder} is used by another node that is running; "
                "give this one a DATA_DIR of its own"
            ) from None
        yield folder
