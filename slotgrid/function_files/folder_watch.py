"""Watches a folder for hot reload: calls back when its files change."""

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from pathlib import Path, PurePath

import structlog
import watchfiles

from slotgrid.runtime.background import background

LOOK_MS = 500
"""Poll interval for the creation, removal or replacement of the folder itself."""
LOOK_AGAIN_S = 5.0
"""Poll interval of the folder's files while it cannot be watched, or while `again` is true."""

log = structlog.get_logger()
# Whoever watches logs the changed functions; the library's count of kernel events adds nothing.
logging.getLogger("watchfiles").setLevel(logging.WARNING)


@asynccontextmanager
async def watch(
    folder: Path,
    changed: Callable[[], Awaitable[object]],
    *,
    suffixes: Collection[str],
    again: Callable[[], bool],
) -> AsyncIterator[None]:
    """Call `changed` on each change, and once when the watch begins, while the block runs.

    Changes of folders count, and of files with one of the suffixes. The folder may be created
    later. Simultaneous changes cause one call. While the folder cannot
    be watched, or while `again` returns true, `changed` is called every LOOK_AGAIN_S.
    """
    stop = asyncio.Event()
    watching = _Watch(folder, changed, suffixes, again, stop)
    async with background(watching.follow, name="functions-watch"):
        try:
            yield
        finally:
            stop.set()


class _Watch:
    """Watches one folder; logs once when watching fails, and once when it works again."""

    def __init__(
        self,
        folder: Path,
        changed: Callable[[], Awaitable[object]],
        suffixes: Collection[str],
        again: Callable[[], bool],
        stop: asyncio.Event,
    ) -> None:
        self._folder = folder
        self._changed = changed
        self._suffixes = {"", *suffixes}
        self._again = again
        self._stop = stop
        self._fault: str | None = None

    async def follow(self) -> None:
        """Follow the folder forever."""
        was_present = True
        while True:
            try:
                present = _identity(self._folder) is not None
                if present:
                    await self._follow_present()
                if was_present:
                    await self._changed()
                was_present = present
                await asyncio.sleep(LOOK_MS / 1000)
            except Exception as error:  # the edge of the loop: loaded functions stay in use
                self._failed(error)
                await asyncio.sleep(LOOK_AGAIN_S)
                await self._look()

    async def _follow_present(self) -> None:
        """Follow the folder until it is removed or replaced."""
        identity = _identity(self._folder)
        loop, looked_at = asyncio.get_running_loop(), -math.inf
        async for changes in watchfiles.awatch(
            self._folder,
            watch_filter=self._matters,
            stop_event=self._stop,
            rust_timeout=LOOK_MS,
            yield_on_timeout=True,
        ):
            # The first call needs no change: it covers changes from before the watch began.
            due = self._again() and loop.time() - looked_at >= LOOK_AGAIN_S
            if changes or looked_at == -math.inf or due:
                looked_at = loop.time()
                await self._changed()
                self._works()
            if _identity(self._folder) != identity:
                return

    async def _look(self) -> None:
        """Call `changed`, although the folder cannot be watched."""
        try:
            await self._changed()
        except Exception as error:  # likewise
            self._failed(error)

    def _matters(self, _: watchfiles.Change, path: str) -> bool:
        """Whether a path may be a folder or a function's file; editors and Python write others."""
        parts = PurePath(path).parts
        hidden = parts[-1].startswith(".") or "__pycache__" in parts
        return not hidden and PurePath(path).suffix in self._suffixes

    def _failed(self, error: Exception) -> None:
        fault = f"{type(error).__name__}: {error}".rstrip(": ")
        if fault != self._fault:
            log.warning(
                "functions.watch_failed",
                folder=str(self._folder),
                error=fault,
                looked_at_every_s=LOOK_AGAIN_S,
            )
        self._fault = fault

    def _works(self) -> None:
        if self._fault is not None:
            self._fault = None
            log.info("functions.watched_again", folder=str(self._folder))


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
