"""A file that is read again when it changes; a bad one changes nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

import structlog

from slotgrid.runtime.regular_file import read_regular_file

log = structlog.get_logger()

T = TypeVar("T")


class LastGoodFile(Generic[T]):
    """The last good value of one file; `fault` describes the fault of the current file.

    `value` is None as long as there was no file, and `empty` after a removal.
    `parse` raises ValueError with a text for a person. `kind` begins the names of the log's events.
    """

    def __init__(self, path: Path, parse: Callable[[bytes], T], *, empty: T, kind: str) -> None:
        self._path = path
        self._parse = parse
        self._empty = empty
        self._kind = kind
        self._seen: tuple[int, ...] | None = None
        self.value: T | None = None
        self.fault: str | None = None

    def look(self) -> bool:
        """Read the file if it has changed; returns whether the value has changed."""
        signature = _signature(self._path)
        if self._seen == signature:
            return False
        self._seen = signature
        try:
            value: T | None = self._parse(read_regular_file(self._path))
        except FileNotFoundError:
            value = None if self.value is None else self._empty
        except (ValueError, OSError) as error:
            if isinstance(error, OSError):
                self._seen = None  # an unchanged file may become readable
            if self.fault != str(error):
                self.fault = str(error)
                log.warning(
                    f"{self._kind}.kept_the_last_good_list", file=str(self._path), fault=self.fault
                )
            return False
        if self.fault is not None:
            log.info(f"{self._kind}.file_is_good_again", file=str(self._path))
        self.fault = None
        if value == self.value:
            return False
        self.value = value
        return True


def _signature(path: Path) -> tuple[int, ...]:
    """Identifies a version of the file; empty if `stat` fails."""
    try:
        stat = path.stat()
    except OSError:
        return ()
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns
