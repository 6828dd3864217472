"""A browser that keeps its profile from task to task: one context, lent to one task at a time."""

import asyncio
import shutil
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psutil
import structlog
from playwright.async_api import BrowserContext, Page
from playwright.async_api import Error as PlaywrightError

from worker.browser.bounded_wait import consume, done_within
from worker.browser.browser_context import TaskContext
from worker.browser.browser_process import BrowserProcess
from worker.browser.browser_states import Ending, Loss
from worker.browser.context_proxy import ContextProxy
from worker.browser.kept_cookies import KeptCookies
from worker.browser.opening import limit_new_pages
from worker.browser.profile_lock import ProfileLock
from worker.browser.time_limits import Limits

log = structlog.get_logger(__name__)

STICKING = (
    *("add_init_script", "expose_binding", "expose_function", "route", "route_from_har"),
    *("route_web_socket", "set_extra_http_headers", "set_offline", "set_geolocation"),
    *("grant_permissions", "clear_permissions", "set_default_timeout"),
    "set_default_navigation_timeout",
)
"""Methods of a context whose effect outlives the task and its pages: the browser is replaced."""
OF_CLOCK = (
    *("fast_forward", "install", "pause_at", "resume", "run_for"),
    *("set_fixed_time", "set_system_time"),
)
"""The same of the context's clock, which is also that of its pages."""
ROUNDS = 5
"""Closing pages may open others."""
FLUSH_S = 3.0
"""How long Chromium may take to write its profile to the disk when it ends."""


class KeptBrowser:
    """A persistent context with its process, from the launch to the end of both.

    Fulfils `ContextOwner` for the task that has the context. `outdated` says why no other task may
    get it; `on_outdated` is called then.
    """

    def __init__(
        self,
        process: BrowserProcess,
        context: BrowserContext,
        *,
        lock: ProfileLock,
        proxy: ContextProxy | None,
        cookies: KeptCookies,
        limits: Limits,
        on_change: Callable[[], None],
    ) -> None:
        self.process = process
        self.context = context
        self.page = context.pages[0]
        self.lent: TaskContext | None = None
        self.outdated: str | None = None
        self._lock = lock
        self._proxy = proxy
        self._cookies = cookies
        self._limits = limits
        self._on_change = on_change
        self._clean = False
        self._own = set(vars(context))
        self._in_setup = False
        self._watch_crash(self.page)
        process.ended.add_done_callback(lambda _: on_change())

    @property
    def ready(self) -> bool:
        """Whether a task may have the context now."""
        return self.lent is None and self.outdated is None and not self.process.ended.done()

    def outdate(self, reason: str) -> None:
        """Lend the context to no other task; it is to be replaced. The first reason counts."""
        if self.outdated is None:
            self.outdated = reason
            self._on_change()

    def lend(self, *, setup: bool = False) -> TaskContext:
        """The context for one task, which must `close` it.

        What a `setup` does to the context is meant for all tasks, so it stays.
        """
        assert self.ready
        self._clean, self._in_setup = False, setup
        self._cookies.begin()
        limit_new_pages(self.context, self._limits.open_s)
        lent = TaskContext(self, self.context, self.page, self._limits, self._proxy)
        if not setup:
            self._watch_sticking(lent)
        self.lent = lent
        self.process.tasks += not setup
        self.process.contexts.add(lent)
        if self.process.ended.done():
            lent.lose(self.process.ended.result())
        return lent

    # ContextOwner, for the task that has the context

    @property
    def chromium(self) -> psutil.Process:
        """Chromium's main process."""
        return self.process.chromium

    def ping(self) -> asyncio.Future[bool]:
        """Probe driver and browser. The future may never resolve."""
        return self.process.ping()

    async def end(self, context: TaskContext) -> None:
        """Prepare the context for its next task: one blank page, and nothing of the last task."""
        if self.process.ended.done():
            return
        context.listeners.release(self.context, silence=not self._in_setup)
        self._forget_attributes()
        if self._proxy is not None:
            self._proxy.unbind()
        if context.lost.done() and context.lost.result() is Loss.FLOOD:
            # The driver drops the events of this context from now on, so no page can open.
            self.process.give_up(Ending.FLOODED)
            return
        self._outdate_if_spoiled(context)
        if self.outdated is None:
            self.page = await self._fresh_page()
        await self._cookies.save(self.context)
        self._clean = True

    def has_closed(self, _: TaskContext) -> bool:
        """Whether the context is clean, or has ended with its browser."""
        return self._clean or self.process.ended.done()

    def release(self, context: TaskContext) -> None:
        """The use by the task has ended."""
        self.process.release_use(context)
        self.lent = None
        self._on_change()

    def give_up(self, ending: Ending) -> None:
        """Kill Chromium."""
        self.process.give_up(ending)

    def give_up_driver(self, ending: Ending) -> None:
        """Kill the driver, if killing Chromium had no effect."""
        self.process.give_up_driver(ending)

    # The end

    async def close(self) -> None:
        """End both processes, after Chromium has written its profile. Takes bounded time."""
        if self.lent is not None:
            await self.lent.close()
        if not self.process.ended.done():
            closing = asyncio.ensure_future(self._close_gracefully())
            closing.add_done_callback(consume)
            await done_within(closing, FLUSH_S)
        await self.process.destroy()
        self._lock.release()
        if self._proxy is not None:
            self._proxy.close()

    async def _close_gracefully(self) -> None:
        if self.outdated is None:  # else its last task has saved them, unless it was spoiled
            await self._cookies.save(self.context)
        await self.context.close()

    async def _fresh_page(self) -> Page:
        """A blank page, the only one. All that a task did to its pages goes with them."""
        page = await self.context.new_page()
        for _ in range(ROUNDS):
            others = [other for other in self.context.pages if other is not page]
            if not others:
                break
            await asyncio.gather(*(_closed(other) for other in others))
        if self.context.pages != [page]:
            self.outdate("pages of a task stay open")
        self._watch_crash(page)
        await self._stop_workers(page)
        with suppress(PlaywrightError):  # none was started
            await self.context.tracing.stop()
        await asyncio.to_thread(self._remove_downloads)
        return page

    def _watch_crash(self, page: Page) -> None:
        def crashed(_: Page) -> None:
            if self.lent is None:
                self.outdate("its page crashed while no task ran")

        page.on("crash", crashed)

    async def _stop_workers(self, page: Page) -> None:
        """Stop service workers: they would go on without a page, on timers of their own."""
        cdp = await self.context.new_cdp_session(page)
        await cdp.send("ServiceWorker.enable")
        await cdp.send("ServiceWorker.stopAllWorkers")
        await cdp.detach()

    def _remove_downloads(self) -> None:
        for folder in self.process.folder.glob("playwright-artifacts-*"):
            for path in folder.iterdir():
                with suppress(OSError):
                    shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _outdate_if_spoiled(self, context: TaskContext) -> None:
        browser = self.context.browser
        if browser is not None and len(browser.contexts) > 1:
            context.spoiled = context.spoiled or "the task opened a context of its own"
        if context.spoiled is not None and not self._in_setup:
            self.outdate(context.spoiled)

    def _watch_sticking(self, lent: TaskContext) -> None:
        for name in STICKING:
            _note_use(self.context, name, lent)
        for name in OF_CLOCK:
            _note_use(self.context.clock, name, lent)

    def _forget_attributes(self) -> None:
        """Remove what was set on Playwright's objects for the task, by us or by its function."""
        for name in vars(self.context).keys() - self._own:
            delattr(self.context, name)
        for name in vars(self.context.clock).keys() & set(OF_CLOCK):
            delattr(self.context.clock, name)


def _note_use(target: Any, name: str, lent: TaskContext) -> None:
    """Note in `lent` that the task has used this method."""
    method = getattr(target, name)

    def noted(*args: Any, **kwargs: Any) -> Any:
        lent.spoiled = lent.spoiled or f"the task used `{name}` of its context"
        return method(*args, **kwargs)

    setattr(target, name, noted)


async def _closed(page: Page) -> None:
    with suppress(PlaywrightError):
        await page.close(run_before_unload=False)
