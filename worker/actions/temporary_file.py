"""A place on disk for a file that Playwright writes, before the task keeps it."""

import asyncio
import tempfile
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path


def temporary_path(name: str) -> Path:
    """A path that no other file has; nothing is there yet."""
    return Path(tempfile.gettempdir(), f"slotgrid-{uuid.uuid4().hex}-{name}")


@asynccontextmanager
async def removed_afterwards(path: Path) -> AsyncIterator[None]:
    """Remove the file at the end of the block, if there is one."""
    try:
        yield
    finally:
        await asyncio.to_thread(path.unlink, missing_ok=True)
