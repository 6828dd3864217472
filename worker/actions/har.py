"""A HAR file of what a browser context requests, as Playwright writes it."""

import asyncio
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import orjson
from playwright.async_api import BrowserContext, Error

from slotgrid.function import Meta
from worker.actions.action_context import ActionContext
from worker.actions.browser_session import first_line
from worker.actions.errors import ActionFailed
from worker.actions.saved_file import SavedFile, save_file
from worker.actions.temporary_file import removed_afterwards, temporary_path

HAR_MOST = 100 * 1024 * 1024
"""Bytes of a HAR file that is read; its bodies are within."""


@dataclass(frozen=True)
class HarFile(SavedFile):
    """A HAR file."""

    entries: Annotated[int, Meta(description="Requests in it")] = 0


class HarRecorder:
    """Writes the requests of a context from `start` to `save`."""

    def __init__(self, context: BrowserContext, path: str | None) -> None:
        self._context = context
        self._path = path
        self._file = temporary_path("network.har")

    async def start(self, *, url: str | None, bodies: bool) -> None:
        """Begin. Raises ActionFailed."""
        try:
            await self._context.tracing.start_har(
                self._file, content="embed" if bodies else "omit", url_filter=url
            )
        except Error as cause:
            raise ActionFailed(f"no HAR file could be started: {first_line(cause)}") from cause

    async def save(self, action: ActionContext) -> HarFile:
        """End, and save the file without the task's secrets. Raises ActionFailed."""
        async with removed_afterwards(self._file):
            try:
                await self._context.tracing.stop_har()
            except Error as cause:
                raise ActionFailed(f"the HAR file was lost: {first_line(cause)}") from cause
            found = await asyncio.to_thread(_read, self._file)
            entries = found["log"]["entries"]
            if action.context.has_secrets:
                data = await asyncio.to_thread(_redacted, found, action)
                saved = await save_file(action, self._path, "network.har", data)
            else:
                saved = await save_file(action, self._path, "network.har", self._file)
        return HarFile(**asdict(saved), entries=len(entries))


def _read(file: Path) -> Any:
    if (size := file.stat().st_size) > HAR_MOST:
        raise ActionFailed(
            f"the HAR file has {size} bytes, and {HAR_MOST} are possible: give `url` or "
            "`bodies: false` to har_start"
        )
    return orjson.loads(file.read_bytes())


def _redacted(har: Any, action: ActionContext) -> bytes:
    for entry in har["log"]["entries"]:
        content = entry["response"]["content"]
        if content.get("encoding") == "base64":  # where no secret could be found
            content.pop("text", None)
            content["comment"] = "left out, as the task has secrets"
    return orjson.dumps(action.context.hide(har))
