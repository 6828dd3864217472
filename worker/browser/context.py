"""One task's clean browser context, and the ladder that always ends it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from worker.browser.listeners import ListenerGuard
from worker.browser.patience import consume, done_within
from worker.browser.states import Ending, FreedBy, Lost

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.async_api import BrowserContext, Page

    from worker.browser.limits import Limits
    from worker.browser.process import BrowserProcess

log = structlog.get_logger(__name__)


class TaskContext:
    """A context that nobody used before, with its first page.

    `lost` resolves when the first page crashes, when its pages flood the driver with events, or
    when the browser or its driver is gone. A page that
    the task opened itself and that crashes fails the calls on it, which the task can answer for.

    `on_listener_error` gets what a listener of the task raised, `on_listener_flood` the name of an
    event that came too often and whose listener was removed; set them when the task begins.
    """

    def __init__(
        self, process: BrowserProcess, context: BrowserContext, page: Page, limits: Limits
    ) -> None:
        self.context = context
        self.page = page
        self.lost: asyncio.Future[Lost] = asyncio.get_running_loop().create_future()
        self._process = process
        self._limits = limits
        self._closing: asyncio.Task[FreedBy] | None = None
        self.on_listener_error: Callable[[BaseException], None] = _log_error
        self.on_listener_flood: Callable[[str], None] = _log_flood
        page.on("crash", lambda _: self.lose(Lost.PAGE))
        guard = ListenerGuard(self._tell_error, self._tell_flood)
        guard.guard_context(context)

    @property
    def browser_pid(self) -> int:
        """The process id of its Chromium."""
        return self._process.chromium.pid

    @property
    def guid(self) -> str:
        """What Playwright's driver calls the context."""
        return str(self.context._impl_obj._guid)

    @property
    def open_pages(self) -> list[Page]:
        """The pages open now, first the first."""
        return [page for page in self.context.pages if not page.is_closed()]

    @property
    def usable(self) -> bool:
        """Whether it is whole: its page and browser live, and nobody closes it."""
        return self._closing is None and not self.lost.done() and not self.page.is_closed()

    def lose(self, lost: Lost) -> None:
        """Says that the task cannot go on here; the first reason stays."""
        if not self.lost.done():
            self.lost.set_result(lost)

    async def close(self) -> FreedBy:
        """Ends the context and says by what; always ends, never raises.

        The caller may be cancelled or call it twice: the ladder is climbed once, to its end.
        When the browser has to be killed, its other tasks are lost with it.
        """
        self.close_soon()
        assert self._closing is not None
        return await asyncio.shield(self._closing)

    def close_soon(self) -> None:
        """Begins to close, for one who does not want to wait."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(), name="close browser context")

    def _tell_error(self, error: BaseException) -> None:
        # Once the task is over, a listener in the middle of a call fails as a matter of course.
        if self._closing is None:
            self.on_listener_error(error)

    def _tell_flood(self, event: str) -> None:
        self.on_listener_flood(event)

    async def _close(self) -> FreedBy:
        closing = asyncio.ensure_future(self._close_once())
        closing.add_done_callback(consume)
        try:
            return await self._climb(closing)
        finally:
            self._process.release(self)

    async def _close_once(self) -> None:
        # Playwright's close works once, so an error that lies waiting in the connection for the
        # next call, and would be raised by it, has to be out of the way.
        await self._process.ping()
        await self.context.close()

    async def _climb(self, closing: asyncio.Future[None]) -> FreedBy:
        # A close that ends with an error has not closed anything unless Playwright agrees.
        if await done_within(closing, self._limits.close_s) and self._process.has_closed(self):
            return FreedBy.CLOSE
        self._process.give_up(Ending.CLOSE_HUNG)
        if await done_within(closing, self._limits.browser_kill_s):
            return FreedBy.BROWSER_KILLED
        self._process.give_up_driver(Ending.CLOSE_HUNG)
        await done_within(closing, self._limits.driver_kill_s)
        return FreedBy.DRIVER_KILLED


def _log_error(error: BaseException) -> None:
    log.warning("browser.listener_failed", exc_info=error)


def _log_flood(event: str) -> None:
    log.warning("browser.listener_flooded", browser_event=event)
