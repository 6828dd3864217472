"""Tabs that an input opens: counted, and waited for, as they come later than the input ends."""

import asyncio
from typing import Any, Self
from weakref import WeakSet

from playwright.async_api import CDPSession, Page

from worker.actions.action_context import ActionContext


class _Enabled:
    """The sessions in which the browser announces windows; kept for the attempt."""

    def __init__(self) -> None:
        self.sessions = WeakSet[CDPSession]()


class NewTabs:
    """The tabs that a page has opened since `of`. `close` ends the count."""

    def __init__(self, page: Page, session: CDPSession) -> None:
        self.count = 0
        self._announced = 0
        self._came = asyncio.Event()
        self._page = page
        self._session = session
        page.context.on("page", self._on_page)
        session.on("Page.windowOpen", self._on_announced)

    @classmethod
    async def of(cls, action: ActionContext, page: Page) -> Self:
        """Begin to count. The session's domain stays enabled: recordings use it, too."""
        session = await action.session.cdp(page)
        enabled = action.session.part(_Enabled).sessions
        if session not in enabled:
            await session.send("Page.enable")
            enabled.add(session)
        return cls(page, session)

    async def arrive(self, *, at_most_s: float) -> None:
        """Wait for the tabs that the browser has announced; some it then blocks."""
        try:
            async with asyncio.timeout(at_most_s):
                while self.count < self._announced:
                    self._came.clear()
                    await self._came.wait()
        except TimeoutError:
            pass

    def close(self) -> None:
        """End the count."""
        self._page.context.remove_listener("page", self._on_page)
        self._session.remove_listener("Page.windowOpen", self._on_announced)

    def _on_page(self, _: Page) -> None:
        self.count += 1
        self._came.set()

    def _on_announced(self, _: Any) -> None:
        self._announced += 1
