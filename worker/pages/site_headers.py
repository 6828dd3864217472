"""Headers that a task's own site gets, and no other.

Playwright's `extra_http_headers` go to every host that a page loads from, also after a redirect: a
token would reach each CDN and tracker, and a cross-origin fetch would need a preflight that most
servers refuse. Playwright's routing repeats changed headers after a redirect to another host. So
the requests of certain origins are paused by CDP, and continued with the headers.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from playwright.async_api import BrowserContext, CDPSession, Error, Page

NewPage = Callable[[], Coroutine[Any, Any, Page]]

_MARK = "_slotgrid_site_headers"


class SiteHeaders:
    """Headers for each request to one of some origins.

    They do not reach WebSockets, nor the first requests of a tab that the page itself opens.
    Service workers would need them too, and are to be blocked.
    """

    def __init__(self, headers: Mapping[str, str], origins: Sequence[str]) -> None:
        self._headers = dict(headers)
        self._origins = tuple(origins)

    @property
    def _facts(self) -> tuple[dict[str, str], tuple[str, ...]]:
        return self._headers, self._origins

    def are_in(self, context: BrowserContext) -> bool:
        """Whether these headers are in the context already."""
        return getattr(context, _MARK, None) == self._facts

    async def install(self, page: Page) -> None:
        """Install the headers in the page and in all later pages of its context."""
        context = page.context
        setattr(context, _MARK, self._facts)
        await self._installed_in(page)
        context.new_page = self._opening(context.new_page)  # type: ignore[method-assign]
        context.on("page", self._install_in_tab)

    def _opening(self, new_page: NewPage) -> NewPage:
        """`new_page`, with the headers in place when it returns."""

        async def opening() -> Page:
            page = await new_page()
            await self._installed_in(page)
            return page

        return opening

    async def _install_in_tab(self, page: Page) -> None:
        with suppress(Error):  # the tab has been closed meanwhile
            await self._installed_in(page)

    def _installed_in(self, page: Page) -> "asyncio.Future[None]":
        """Resolves when the page has the headers: both `new_page` and its event install them."""
        installed: asyncio.Future[None] | None = getattr(page, _MARK, None)
        if installed is None:
            installed = asyncio.ensure_future(self._install_in(page))
            setattr(page, _MARK, installed)
        return installed

    async def _install_in(self, page: Page) -> None:
        cdp = await page.context.new_cdp_session(page)
        cdp.on("Fetch.requestPaused", partial(self._continue, cdp))
        patterns = [{"urlPattern": f"{origin}/*"} for origin in self._origins]
        await cdp.send("Fetch.enable", {"patterns": patterns})

    async def _continue(self, cdp: CDPSession, event: dict[str, Any]) -> None:
        ours = {name.lower() for name in self._headers}
        kept = {
            name: value
            for name, value in event["request"]["headers"].items()
            if name.lower() not in ours
        }
        headers = [{"name": n, "value": v} for n, v in (kept | self._headers).items()]
        with suppress(Error):  # the page has moved on or is closed
            await cdp.send(
                "Fetch.continueRequest", {"requestId": event["requestId"], "headers": headers}
            )
