"""One task's clean browser context, and its close, which escalates until the context ends."""

import asyncio
from collections.abc import Callable
from typing import Protocol

import psutil
import structlog
from playwright.async_api import BrowserContext, Page

from worker.browser.bounded_wait import consume, done_within
from worker.browser.browser_states import Ending, FreedBy, Loss
from worker.browser.context_proxy import ContextProxy, ProxyOwner
from worker.browser.listeners import ListenerGuard
from worker.browser.time_limits import Limits

log = structlog.get_logger(__name__)


class ContextOwner(Protocol):
    """The browser process of a context."""

    @property
    def chromium(self) -> psutil.Process:
        """Chromium's main process."""

    def ping(self) -> asyncio.Future[bool]:
        """Probe driver and browser. The future may never resolve."""

    async def end(self, context: "TaskContext") -> None:
        """End the task's use of the context: close it, or prepare it for the next task."""

    def has_closed(self, context: "TaskContext") -> bool:
        """Whether that has succeeded."""

    def release(self, context: "TaskContext") -> None:
        """Remove a context whose use has ended."""

    def give_up(self, ending: Ending) -> None:
        """Kill Chromium."""

    def give_up_driver(self, ending: Ending) -> None:
        """Kill the driver, if killing Chromium had no effect."""


class TaskContext:
    """A new, unused context with its first page.

    `lost` resolves when the first page crashes, when the context's pages flood the driver with
    events, or when the browser or its driver has ended. If another page crashes, which the task
    opened itself, only the calls on that page fail, and the task can handle that.

    `proxy` is the context's own, for as long as the context lives; None if it has none.
    `on_listener_error` gets the exception of a task's listener. `on_listener_flood` gets the name
    of an event that was too frequent, so that its listener was removed. Set both when the task
    begins.
    """

    def __init__(
        self,
        owner: ContextOwner,
        context: BrowserContext,
        page: Page,
        limits: Limits,
        proxy: ContextProxy | None = None,
    ) -> None:
        self.context = context
        self.page = page
        self.proxy = proxy
        self.lost: asyncio.Future[Loss] = asyncio.get_running_loop().create_future()
        self._owner = owner
        self._limits = limits
        self._closing: asyncio.Task[FreedBy] | None = None
        self.on_listener_error: Callable[[BaseException], None] = _log_error
        self.on_listener_flood: Callable[[str], None] = _log_flood
        self.spoiled: str | None = None
        """Why no other task may get this context, if it is one that is kept; None if one may."""
        self.listeners = ListenerGuard(self._report_error, self._report_flood)
        page.on("crash", lambda _: self.lose(Loss.PAGE))
        self.listeners.guard_context(context)

    @property
    def browser_pid(self) -> int:
        """The process id of the context's Chromium."""
        return self._owner.chromium.pid

    @property
    def guid(self) -> str:
        """The id of the context in Playwright's driver."""
        return str(self.context._impl_obj._guid)

    @property
    def open_pages(self) -> list[Page]:
        """The open pages, oldest first."""
        return [page for page in self.context.pages if not page.is_closed()]

    @property
    def usable(self) -> bool:
        """Whether page and browser are alive and no close has begun."""
        return self._closing is None and not self.lost.done() and not self.page.is_closed()

    def bind(self, owner: ProxyOwner) -> None:
        """Attribute the context's connections to this task from now on."""
        if self.proxy is not None:
            self.proxy.bind(owner)

    def lose(self, lost: Loss) -> None:
        """Mark the context as lost; only the first reason counts."""
        if not self.lost.done():
            self.lost.set_result(lost)

    async def close(self) -> FreedBy:
        """End the context and return the means that ended it. Always ends, never raises.

        If the caller is cancelled or calls it twice, the close still runs once, to its end.
        If the browser must be killed, its other tasks lose their contexts too.
        """
        self.close_soon()
        assert self._closing is not None
        return await asyncio.shield(self._closing)

    def close_soon(self) -> None:
        """Begin to close, without waiting."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(), name="close browser context")

    def _report_error(self, error: BaseException) -> None:
        # After the task's end, a listener that is in a call fails normally: not worth a report.
        if self._closing is None:
            self.on_listener_error(error)

    def _report_flood(self, event: str) -> None:
        self.on_listener_flood(event)

    async def _close(self) -> FreedBy:
        closing = asyncio.ensure_future(self._close_once())
        closing.add_done_callback(consume)
        try:
            return await self._climb(closing)
        finally:
            self._owner.release(self)

    async def _close_once(self) -> None:
        # Playwright's close works only once. The ping first consumes an error that the connection
        # stored for its next call, which would otherwise be raised by the close.
        await self._owner.ping()
        await self._owner.end(self)

    async def _climb(self, closing: asyncio.Future[None]) -> FreedBy:
        # A close may end with an error, so check its effect.
        if await done_within(closing, self._limits.close_s) and self._owner.has_closed(self):
            return FreedBy.CLOSE
        self._owner.give_up(Ending.CLOSE_HUNG)
        if await done_within(closing, self._limits.browser_kill_s):
            return FreedBy.BROWSER_KILLED
        self._owner.give_up_driver(Ending.CLOSE_HUNG)
        await done_within(closing, self._limits.driver_kill_s)
        return FreedBy.DRIVER_KILLED


def _log_error(error: BaseException) -> None:
    log.warning("browser.listener_failed", exc_info=error)


def _log_flood(event: str) -> None:
    log.warning("browser.listener_flooded", browser_event=event)
