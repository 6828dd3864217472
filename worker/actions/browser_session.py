"""The browser work of one attempt: its current tab, and what actions keep from step to step."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

import structlog
from playwright.async_api import CDPSession, Error, Page

from slotgrid.core.await_completion import await_completion
from slotgrid.function import Context
from worker.actions.errors import StepTimeout, TabClosed
from worker.actions.seen_downloads import SeenDownloads
from worker.pages.browser_options import BrowserOptions
from worker.pages.context_page import context_options, open_context_page

log = structlog.get_logger()

RESERVE_S = 1.0
"""Seconds before the task's deadline at which a wait ends, with an error of its own."""
DETACH_S = 1.0
AT_END_S = 10.0
"""Seconds for each thing that is saved at the end."""

T = TypeVar("T")


class BrowserSession:
    """What the actions of one attempt share, whichever function they belong to."""

    def __init__(self) -> None:
        self.browser: BrowserOptions | None = None
        """Options of the browser context; they count when the first tab opens."""
        self.preparations: list[Callable[[Page], Awaitable[None]]] = []
        """Called with a new tab, or one whose emulation a picture has undone."""
        self._current: Page | None = None
        self._parts: dict[type, Any] = {}
        self._sessions: dict[Page, CDPSession] = {}
        self._at_end: list[tuple[str, Callable[[], Awaitable[object]]]] = []

    async def page(self, context: Context, url: str = "") -> Page:
        """The current tab: the first one, or the one that `switch` named; see `ActionContext`."""
        if self._current is None:
            self._current = await open_context_page(context, url, self.browser)
            downloads = self.part(SeenDownloads)
            downloads.watch(context.browser_context)
            self.at_end("the list of downloads", downloads.stop)
        if self._current.is_closed():
            others = [page for page in context.browser_context.pages if not page.is_closed()]
            if not others:
                raise TabClosed("the tab was closed, and no other is open; use new_tab")
            self._current = others[-1]
        return self._current

    async def prepare(self, page: Page) -> None:
        """Give the tab what the task emulates."""
        for give in self.preparations:
            await give(page)

    def proxy(self, url: str) -> Mapping[str, Any] | None:
        """The proxy of the `browser` block, as in Playwright's `new_context`; None without one."""
        return None if self.browser is None else context_options(self.browser, url).get("proxy")

    @property
    def has_page(self) -> bool:
        """Whether an action has opened a tab."""
        return self._current is not None

    def switch(self, page: Page) -> None:
        """Make a tab the current one."""
        self._current = page

    async def cdp(self, page: Page) -> CDPSession:
        """The tab's DevTools session; what it overrides lasts as long as the tab."""
        if page not in self._sessions:
            self._sessions[page] = await page.context.new_cdp_session(page)
            page.once("close", self._forget)
        return self._sessions[page]

    def _forget(self, page: Page) -> None:
        self._sessions.pop(page, None)

    def part(self, kind: Callable[[], T]) -> T:
        """The session's one object of that class, made at the first call."""
        if kind not in self._parts:
            self._parts[kind] = kind()  # type: ignore[index]  # a class is a callable
        found: T = self._parts[kind]  # type: ignore[index]
        return found

    def at_end(self, name: str, save: Callable[[], Awaitable[object]]) -> None:
        """Call `save` when the task's function ends, also after a failure.

        For what was started and not stopped, such as a trace. `name` is for the task's log.
        """
        self._at_end.append((name, save))

    async def end(self, context: Context) -> None:
        """Save what was started and not stopped, the last first, and let go of the tabs.

        Bounded in time.

        Goes on when it is cancelled, and raises CancelledError after it: a task that fails because
        its tab has crashed is cancelled a moment later. Raises nothing else.
        """
        await await_completion(self._end(context))

    async def _end(self, context: Context) -> None:
        while self._at_end:
            name, save = self._at_end.pop()
            try:
                async with asyncio.timeout(AT_END_S):
                    await save()
            except Exception as error:  # the page may be gone
                with suppress(Exception):
                    await context.log(f"{name} was not saved: {error}", "stderr")
        # A persistent pool keeps the tab: what a session overrides ends with the session.
        for session in list(self._sessions.values()):
            with suppress(Error, TimeoutError):
                async with asyncio.timeout(DETACH_S):
                    await session.detach()

    async def within(self, context: Context, seconds: float, work: Awaitable[T], *, what: str) -> T:
        """See `ActionContext.within`."""
        left_s = max(0.0, context.deadline.remaining_s - RESERVE_S)
        try:
            async with asyncio.timeout(min(seconds, left_s)):
                return await work
        except TimeoutError:
            pass
        if left_s < seconds:
            raise StepTimeout(
                f"{what}: not within the task's time, of which {left_s:.3g} s were left"
            )
        raise StepTimeout(f"{what}: not within {seconds:g} s")


def first_line(error: Error) -> str:
    """Playwright's error without the log of its calls."""
    return (error.message.strip().splitlines() or ["Playwright failed"])[0]
