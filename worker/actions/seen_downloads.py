"""The downloads of a task: what its pages began to send, and what became of it."""

import asyncio
from dataclasses import dataclass
from typing import Annotated, Literal

from playwright.async_api import BrowserContext, Download, Error

from slotgrid.core.task_parts import Artifact
from slotgrid.function import Meta
from slotgrid.url_credentials import split_credentials

SEEN_MOST = 1000
"""Downloads that a task may begin and see; it does not see later ones."""
STATE_S = 0.2
"""Seconds for the driver to answer whether a download has ended."""
ADDRESS_CHARS = 2000

State = Literal["running", "complete", "failed", "saved"]


@dataclass(frozen=True)
class DownloadState:
    """A download of the task."""

    id: str
    name: Annotated[str, Meta(description="Name that the browser suggests")]
    source: str
    state: Annotated[
        State,
        Meta(
            description="`complete`: the browser has it, and `wait_for_download` saves it; "
            "`saved`: it is an artifact"
        ),
    ]
    error: Annotated[str | None, Meta(description="Why it failed")] = None
    artifact: Annotated[str | None, Meta(description="Name of the artifact")] = None


@dataclass(eq=False)
class SeenDownload:
    """A download that has begun. `is_taken` once an action saves it, or has tried to."""

    id: str
    file: Download
    is_taken: bool = False
    artifact: Artifact | None = None
    error: str | None = None

    @property
    def source(self) -> str:
        """The address that sent it, without a password, and cut: a data URL can be megabytes."""
        return split_credentials(self.file.url[:ADDRESS_CHARS])[0]

    async def state(self) -> DownloadState:
        """What has become of it."""
        state, error = await self._progress()
        name = self.artifact.name if self.artifact else None
        return DownloadState(self.id, self.file.suggested_filename, self.source, state, error, name)

    async def _progress(self) -> tuple[State, str | None]:
        if self.artifact is not None:
            return "saved", None
        if self.error is not None:
            return "failed", self.error
        try:
            async with asyncio.timeout(STATE_S):
                fault = await self.file.failure()
        except TimeoutError:
            return "running", None
        except Error:
            return "failed", "its tab was closed"
        return ("failed", f"it broke off ({fault})") if fault else ("complete", None)


class SeenDownloads:
    """Notes the downloads of every tab of a context. One for each attempt."""

    def __init__(self) -> None:
        self.seen: list[SeenDownload] = []
        self.truncated = False
        self._changed = asyncio.Event()
        self._context: BrowserContext | None = None

    def watch(self, context: BrowserContext) -> None:
        """Begin, once."""
        if self._context is None:
            self._context = context
            context.on("download", self._note)

    async def stop(self) -> None:
        """Note no more."""
        if self._context is not None:
            self._context.remove_listener("download", self._note)

    def _note(self, file: Download) -> None:
        if len(self.seen) >= SEEN_MOST:
            self.truncated = True
            return
        self.seen.append(SeenDownload(f"download-{len(self.seen) + 1}", file))
        self._changed.set()

    def untaken(self, since: int = 0) -> SeenDownload | None:
        """The oldest download that no action has taken, of those after the first `since`."""
        return next((one for one in self.seen[since:] if not one.is_taken), None)

    async def next(self, since: int = 0) -> SeenDownload:
        """Take that download, as soon as there is one."""
        while (found := self.untaken(since)) is None:
            self._changed.clear()
            await self._changed.wait()
        found.is_taken = True
        return found
