"""A context without a worker: a real browser, and everything that a function says is kept."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Literal

from playwright.async_api import BrowserContext, Page

from slotgrid.core.deadlines import Deadline
from slotgrid.core.task_parts import FILE_LIMIT, Artifact, FileData
from slotgrid.records.file_data import opened
from slotgrid.records.file_names import file_name, numbered


@dataclass
class RecordingContext:
    """What a function is given, with the methods of the real one."""

    browser_context: BrowserContext
    services: Mapping[str, Any] = field(default_factory=dict)
    deadline: Deadline = field(default_factory=lambda: Deadline.after(60))
    task_id: str = "0193-a-task"
    attempt: int = 1
    cancelled: bool = False
    secrets: Mapping[str, str] = field(default_factory=dict)
    events: list[tuple[str, str | None, Any]] = field(default_factory=list)
    chunks: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    saved: dict[str, bytes] = field(default_factory=dict)

    async def page(
        self,
        options: Mapping[str, Any] | None = None,
        *,
        prepare: Callable[[Page], Awaitable[None]] | None = None,
    ) -> Page:
        """The context's first page; `options` count if this call opens it."""
        if self.browser_context.pages:
            return self.browser_context.pages[0]
        if options:
            browser = self.browser_context.browser
            assert browser is not None
            await self.browser_context.close()
            self.browser_context = await browser.new_context(**options)
        page = await self.browser_context.new_page()
        if prepare is not None:
            await prepare(page)
        return page

    async def emit(self, kind: str, text: str | None = None, data: Any = None) -> None:
        """Keep the event; data that is not JSON fails here as it does there."""
        json.dumps(data)
        self.events.append((kind, text, data))

    async def status(self, text: str) -> None:
        """Keep the status."""
        await self.emit("status", text)

    async def progress(self, text: str, fraction: float | None = None) -> None:
        """Keep the progress."""
        await self.emit("progress", text, {"fraction": fraction})

    async def stream(self, chunk: str) -> None:
        """Keep the chunk."""
        self.chunks.append(chunk)

    async def log(self, line: str, stream: Literal["stdout", "stderr"] = "stdout") -> None:
        """Keep the line."""
        self.lines.append(f"{stream}: {line}")

    @property
    def file_limit_bytes(self) -> int:
        """The limit of a worker without settings."""
        return FILE_LIMIT

    async def save(self, name: str, data: FileData, *, replace: bool = True) -> Artifact:
        """Keep the file."""
        name = free = file_name(name)
        for number in count(1):
            if replace or free not in self.saved:
                break
            free = numbered(name, number)
        name = free
        async with opened(data) as source:
            content = b"".join([piece async for piece in source.pieces])
        self.saved[name] = content
        return Artifact(name, len(content), "application/octet-stream", f"/artifacts/{name}")

    async def call(self, function: str, input: Mapping[str, Any] | None = None) -> Any:  # noqa: A002
        """No function that is tested here calls another one."""
        raise LookupError(f"no function {function} here, for {input}")

    def allow_address(self, url: str) -> None:
        """Nothing guards the pages of these tests."""

    def service(self, name: str) -> Any:
        """The running service of that name."""
        return self.services[name]
