"""Files that a page sends: from the browser's temporary folder into the task's artifacts."""

import asyncio
from contextlib import suppress
from pathlib import Path

from playwright.async_api import Download, Error

from slotgrid.function import Artifact, Context
from worker.pages.errors import DownloadFailed

PROBE_S = 0.1
"""How often the size of what has arrived is compared with the limit."""
RESERVE_S = 1.0
"""Seconds before the task's deadline at which a download is given up, to say so."""


async def save_download(
    context: Context, download: Download, *, limit_bytes: int | None = None
) -> Artifact:
    """Wait for the end of a download and save its bytes, as the browser stores them.

    The name is the one that the browser suggests; several of one name in a task get numbers:
    `Report.pdf`, `Report (1).pdf`. Raises DownloadFailed for one that breaks off, exceeds
    `limit_bytes` (it is cancelled then, also if it has no end; None: the task's own limit), or
    takes longer than the task may.
    """
    limit_bytes = context.file_limit_bytes if limit_bytes is None else limit_bytes
    name = download.suggested_filename
    try:
        await _until_ended(context, download, limit_bytes)
        path = await download.path()
        if (await asyncio.to_thread(path.stat)).st_size > limit_bytes:
            raise _too_large(name, limit_bytes)
        return await context.save(name, path, replace=False)
    except OSError as cause:
        reason = cause.strerror or type(cause).__name__
        raise DownloadFailed(f"the download {name!r} cannot be read: {reason}") from cause
    finally:
        with suppress(Error):  # the page may be closed; its files go with its context
            await download.delete()


async def _until_ended(context: Context, download: Download, limit_bytes: int) -> None:
    """Wait until the browser has the whole file. Raises DownloadFailed, and cancels it then."""
    name = download.suggested_filename
    partial = _partial_paths(download)
    ending = asyncio.create_task(download.failure(), name=f"download {name}")
    try:
        while not ending.done():
            if (size := await asyncio.to_thread(_size, partial)) > limit_bytes:
                raise _too_large(name, limit_bytes)
            left_s = context.deadline.remaining_s - RESERVE_S
            if left_s <= 0:
                raise DownloadFailed(
                    f"the download {name!r} was not complete when the task's time was over: "
                    f"{size} bytes had arrived"
                )
            await asyncio.wait({ending}, timeout=min(PROBE_S, left_s))
    finally:
        if not ending.done():
            with suppress(Error):
                await download.cancel()
            ending.cancel()
    if ending.result() is not None:
        raise DownloadFailed(
            f"the download {name!r} broke off: the server or the page ended it before its last byte"
        )


def _partial_paths(download: Download) -> list[Path]:
    """Where the browser writes the file meanwhile.

    Playwright offers neither the path nor the size before the end, but its own object has the
    path; Chromium appends `.crdownload`. Without it, only a complete download is measured.
    """
    initializer = getattr(download._impl_obj._artifact, "_initializer", {})
    path = initializer.get("absolutePath")
    return [Path(path), Path(f"{path}.crdownload")] if path else []


def _size(paths: list[Path]) -> int:
    for path in paths:
        with suppress(OSError):
            return path.stat().st_size
    return 0


def _too_large(name: str, limit_bytes: int) -> DownloadFailed:
    return DownloadFailed(
        f"the download {name!r} has more than {limit_bytes} bytes, the limit of a file"
    )
