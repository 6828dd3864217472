"""Calls back when Python files under a folder change."""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path, PurePath

import structlog
import watchfiles

from slotgrid.runtime.background import background

LOOK_MS = 500
"""How soon it is seen that the folder itself came, went or was replaced."""
LOOK_AGAIN_S = 5.0
"""How often the folder is read while it cannot be watched, or another look at it may bring more."""

log = structlog.get_logger()


@asynccontextmanager
async def watch(
    folder: Path, changed: Callable[[], Awaitable[object]], *, again: Callable[[], bool]
) -> AsyncIterator[None]:
    """Call `changed` on each change, and once when the watch stands, while the block runs.

    A folder that is not there yet is waited for. Changes that come together are one call. While the
    folder cannot be watched, or `again` says that another look may bring more, `changed` is called
    every LOOK_AGAIN_S.
    """
    stop = asyncio.Event()
    watching = _Watch(folder, changed, again, stop)
    async with background(watching.follow, name="functions-watch"):
        try:
            yield
        finally:
            stop.set()


class _Watch:
    """One folder, and whether it can be watched: each change of that is logged once."""

    def __init__(
        self,
        folder: Path,
        changed: Callable[[], Awaitable[object]],
        again: Callable[[], bool],
        stop: asyncio.Event,
    ) -> None:
        self._folder = folder
        self._changed = changed
        self._again = again
        self._stop = stop
        self._fault: str | None = None

    async def follow(self) -> None:
        """Follow the folder for ever."""
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
            except Exception as error:  # the edge of the loop: what is loaded goes on being offered
                self._failed(error)
                await asyncio.sleep(LOOK_AGAIN_S)
                await self._look()

    async def _follow_present(self) -> None:
        """Follow the folder until another, or none, is in its place."""
        identity = _identity(self._folder)
        loop, looked_at = asyncio.get_running_loop(), -math.inf
        async for changes in watchfiles.awatch(
            self._folder,
            watch_filter=_matters,
            stop_event=self._stop,
            rust_timeout=LOOK_MS,
            yield_on_timeout=True,
        ):
            # The first time without a change: what came before the watch stood is seen now.
            due = self._again() and loop.time() - looked_at >= LOOK_AGAIN_S
            if changes or looked_at == -math.inf or due:
                looked_at = loop.time()
                await self._changed()
                self._works()
            if _identity(self._folder) != identity:
                return

    async def _look(self) -> None:
        """See what has changed although the folder cannot be watched."""
        try:
            await self._changed()
        except Exception as error:  # likewise
            self._failed(error)

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


def _matters(_: watchfiles.Change, path: str) -> bool:
    """Python files and folders; not what editors and the interpreter leave beside them."""
    parts = PurePath(path).parts
    hidden = parts[-1].startswith(".") or "__pycache__" in parts
    return not hidden and PurePath(path).suffix in {"", ".py"}


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
