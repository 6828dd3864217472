"""The workers that an operator lists in `workers.json`: read, watched, and never lost to a typo."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import structlog

from slotgrid.runtime.background import background
from slotgrid.runtime.workers_file import InventoryFault, Listed, parse_inventory

log = structlog.get_logger()

LOOK_EVERY_S = 0.5
"""A look at one file's `stat` costs microseconds, and sees what a watch does not: a volume that is
mounted later, a network file system, a symbolic link that leads elsewhere now."""


class Inventory:
    """The last good list of one file; `fault` says what is wrong with the file as it is now.

    A file that is not there is an empty list: the workers may all dial in by themselves.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, ...] | None = None
        self.entries: tuple[Listed, ...] = ()
        self.fault: str | None = None

    def look(self) -> bool:
        """Read the file if it is another than at the last look; whether the list has changed."""
        signature = _signature(self._path)
        if self._seen == signature:
            return False
        self._seen = signature
        try:
            entries = parse_inventory(self._path.read_bytes())
        except FileNotFoundError:
            entries = ()
        except (InventoryFault, OSError) as error:
            if isinstance(error, OSError):
                # Read again at the next look: the file may be the same when it can be read.
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
        """Call `changed` after each change of the list, as long as the block runs."""
        async with background(lambda: self._watch(changed), name="inventory"):
            yield

    async def _watch(self, changed: Callable[[], None]) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            if self.look():
                changed()


def _signature(path: Path) -> tuple[int, ...]:
    """What differs when the file does; empty when there is none to be seen."""
    try:
        stat = path.stat()
    except OSError:
        return ()
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns
