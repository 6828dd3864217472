"""One attempt at a task: what its contexts share, from the lease to the clean slot."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import structlog

from slotgrid.core.task import Deadline, Task
from slotgrid.records.artifacts import ArtifactStore
from slotgrid.runtime.secrets import SecretValues
from worker.browser.browsers import Browsers
from worker.browser.context import TaskContext
from worker.plain.processes import PlainProcesses
from worker.registry.definitions import LoadedFunction
from worker.registry.registry import Registry
from worker.registry.services import Services

if TYPE_CHECKING:
    from playwright.async_api import Page

log = structlog.get_logger()

YIELD_EVERY = 64
"""A function that only emits never waits for anything: this often it lets others run."""


class Parts:
    """What every attempt works with, of which a worker has one each."""

    def __init__(
        self,
        *,
        registry: Registry,
        browsers: Browsers,
        plain: PlainProcesses,
        services: Services,
        artifacts: ArtifactStore,
    ) -> None:
        self.registry = registry
        self.browsers = browsers
        self.plain = plain
        self.services = services
        self.artifacts = artifacts


class Attempt:
    """The state of one attempt; the contexts that functions are given stand on it.

    `on_browser` is called once, when the attempt gets its browser context.
    """

    __slots__ = (
        "_emitted",
        "_opening",
        "browser",
        "closed",
        "deadline",
        "loaded",
        "on_browser",
        "parts",
        "scopes",
        "secrets",
        "task",
        "tracing",
    )

    def __init__(
        self, task: Task, loaded: LoadedFunction, parts: Parts, deadline: Deadline
    ) -> None:
        self.task = task
        self.loaded = loaded
        self.deadline = deadline
        self.browser: TaskContext | None = None
        self.closed = False
        self.tracing = False
        self.secrets: SecretValues | None = None
        self.scopes: ExitStack | None = None
        self.on_browser: Callable[[TaskContext], None] = lambda _: None
        self.parts = parts
        self._opening: asyncio.Lock | None = None
        self._emitted = 0

    async def page(self, options: Mapping[str, Any]) -> "Page":
        """The first page of the attempt's browser context, which is taken at the first call."""
        if self.browser is None:
            if self._opening is None:
                self._opening = asyncio.Lock()
            async with self._opening:
                if self.browser is None:
                    await self._open(options)
        assert self.browser is not None
        return self.browser.page

    async def _open(self, options: Mapping[str, Any]) -> None:
        browser = await self.parts.browsers.context(options)
        if self.closed:  # the attempt ended while its function would not
            browser.close_soon()
            raise RuntimeError("the task has ended; it gets no browser any more")
        self.browser = browser
        browser.on_listener_error = self._listener_failed
        browser.on_listener_flood = self._listener_flooded
        self.on_browser(browser)
        if "trace" in self.loaded.options.on_failure:
            await browser.context.tracing.start(screenshots=True, snapshots=True)
            self.tracing = True

    def _listener_failed(self, error: BaseException) -> None:
        sentence = self.hide_text(f"a listener failed: {type(error).__name__}: {error}")
        log.warning("function.listener_failed", reason=sentence)
        self.task.log(sentence, stream="stderr")

    def _listener_flooded(self, event: str) -> None:
        log.warning("function.listener_flooded", page_event=event)
        self.task.log(f"truncated: `{event}` came too often, its listener was removed")

    async def say(self, kind: str, payload: dict[str, Any]) -> None:
        """Let the task say something; waits while a slow reader is behind."""
        events = self.task.events
        if events.closed:
            raise RuntimeError("the task has ended; nobody hears what it says any more")
        events.append(kind, self.hide(payload))
        await events.room()
        self._emitted += 1
        if self._emitted % YIELD_EVERY == 0:
            await asyncio.sleep(0)

    def hide(self, value: Any) -> Any:
        """The value without the secrets of this task."""
        return value if self.secrets is None else self.secrets.hide(value)

    def hide_text(self, text: str) -> str:
        """The text without the secrets of this task."""
        return text if self.secrets is None else self.secrets.hide_text(text)
