"""Calls back when Python files under a folder change."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path, PurePath

import structlog
import watchfiles

from slotgrid.runtime.background import background

LOOK_MS = 500
"""How soon it is seen that the folder itself came, went or was replaced."""
PAUSE_AFTER_ERROR_S = 5.0

log = structlog.get_logger()


@asynccontextmanager
async def watch(folder: Path, changed: Callable[[], Awaitable[object]]) -> AsyncIterator[None]:
    """Call `changed` on each change, and once when the watch stands, while the block runs.

    A folder that is not there yet is waited for. Changes that come together are one call.
    """
    stop = asyncio.Event()
    async with background(lambda: _follow(folder, changed, stop), name="functions-watch"):
        try:
            yield
        finally:
            stop.set()


async def _follow(
    folder: Path, changed: Callable[[], Awaitable[object]], stop: asyncio.Event
) -> None:
    was_present = True
    while True:
        try:
            present = _identity(folder) is not None
            if present:
                await _follow_present(folder, changed, stop)
            if was_present:
                await changed()
            was_present = present
            await asyncio.sleep(LOOK_MS / 1000)
        except Exception:  # the edge of the loop: the functions loaded go on being offered
            log.exception("functions.watch_failed", folder=str(folder))
            await asyncio.sleep(PAUSE_AFTER_ERROR_S)


async def _follow_present(
    folder: Path, changed: Callable[[], Awaitable[object]], stop: asyncio.Event
) -> None:
    """Follow the folder until another, or none, is in its place."""
    identity = _identity(folder)
    standing = False
    async for changes in watchfiles.awatch(
        folder,
        watch_filter=_matters,
        stop_event=stop,
        rust_timeout=LOOK_MS,
        yield_on_timeout=True,
    ):
        if changes or not standing:
            # The first time without a change: what came before the watch stood is seen now.
            standing = True
            await changed()
        if _identity(folder) != identity:
            return


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
