"""Reads and watches the operator's `workers.json`; a faulty file keeps the last good list."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import structlog

from slotgrid.runtime.background import background
from slotgrid.runtime.regular_file import read_regular_file
from slotgrid.runtime.workers_file import InventoryFault, Listed, parse_inventory

log = structlog.get_logger()

LOOK_EVERY_S = 0.5
"""Polling a file's `stat` costs microseconds, and detects what a watch does not: a volume that is
mounted later, a network file system, a symbolic link with a new target."""


class Inventory:
    """The last good list of one file; `fault` describes the fault of the current file.

    A missing file is an empty list: all workers may dial in by themselves.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, ...] | None = None
        self.entries: tuple[Listed, ...] = ()
        self.fault: str | None = None

    def look(self) -> bool:
        """Read the file if it has changed; returns whether the list has changed."""
        signature = _signature(self._path)
        if self._seen == signature:
            return False
        self._seen = signature
        try:
            entries = parse_inventory(read_regular_file(self._path))
        except FileNotFoundError:
            entries = ()
        except (InventoryFault, OSError) as error:
            if isinstance(error, OSError):
                # Retry at the next look: an unchanged file may become readable.
                self._seen = None
            if self.fault != str(error):
                self.fault = str(error)
                log.warning(
                    "inventory.kept_the_last_good_list", file=str(self._path), fault=self.fault
                )
            return False
        if self.fault is not None:
            log.info("inventory.is_good_again", file=str(self._path))
        self.fault = None
        changed, self.entries = entries != self.entries, entries
        if changed:
            log.info("inventory.read", file=str(self._path), workers=len(entries))
        return changed

    @asynccontextmanager
    async def watching(self, changed: Callable[[], None]) -> AsyncIterator[None]:
        """Call `changed` after each change of the list while the block runs."""
        async with background(lambda: self._watch(changed), name="inventory"):
            yield

    async def _watch(self, changed: Callable[[], None]) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            if self.look():
                changed()


def _signature(path: Path) -> tuple[int, ...]:
    """Identifies a version of the file; empty if `stat` fails."""
    try:
        stat = path.stat()
    except OSError:
        return ()
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns
