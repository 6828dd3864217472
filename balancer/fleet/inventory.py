"""Reads and watches the operator's `workers.json`; a faulty file keeps the last good list."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import structlog

from slotgrid.runtime.background import background
from slotgrid.runtime.last_good_file import LastGoodFile
from slotgrid.runtime.workers_file import Listed, parse_inventory

log = structlog.get_logger()

LOOK_EVERY_S = 0.5
"""Polling a file's `stat` costs microseconds, and detects what a watch does not: a volume that is
mounted later, a network file system, a symbolic link with a new target."""


class Inventory:
    """The last good list of one file; `fault` describes the fault of the current file.

    A missing file is an empty list: all workers may dial in by themselves.
    """

    def __init__(self, path: Path) -> None:
        self._file = LastGoodFile[tuple[Listed, ...]](
            path, parse_inventory, empty=(), kind="inventory"
        )

    @property
    def entries(self) -> tuple[Listed, ...]:
        """The listed workers."""
        return self._file.value or ()

    @property
    def fault(self) -> str | None:
        """Why the file is not in use as it is now; None if it is."""
        return self._file.fault

    def look(self) -> bool:
        """Read the file if it has changed; returns whether the list has changed."""
        before = self.entries
        self._file.look()
        if self.entries == before:
            return False
        log.info("inventory.read", workers=len(self.entries))
        return True

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
