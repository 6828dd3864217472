"""The tab in which a crawl visits addresses, one after the other."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TypeVar
from urllib.parse import unquote, urlsplit

from playwright.async_api import BrowserContext, Download, Error, Page, Response

from slotgrid.function import Deadline
from worker.pages.errors import AnswersWithDownload, PageUnreachable
from worker.pages.growing import Growth, GrowthEnd, LeftPage
from worker.pages.inputs import WaitUntil
from worker.pages.links import Links, read_links
from worker.pages.navigation import go
from worker.pages.settling import settle
from worker.pages.visits import Waits

T = TypeVar("T")

FILE_NAME_S = 0.5
"""Seconds within which the name of a download follows the news that it is one."""

POLL_S = 0.1
"""Seconds between two looks for links that come late."""

STABLE_S = 0.25
"""Once late links have come, none more for this long means that all are there."""

PDF = "application/pdf"


@dataclass(frozen=True)
class Visited:
    """What came of one visit: `links` of a page, a download, or an error. `url`: where it led."""

    url: str
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    links: Links | None = None
    growth: GrowthEnd | None = None
    download: bool = False
    file_name: str | None = None
    error: str | None = None


@dataclass(frozen=True)
class Visiting:
    """How addresses are visited.

    `late_links_s`: how long a page with scripts may take to add links, unless `leads_on` says of
    its address and links that they are enough. `routes`: fragments such as `#/a` are addresses.
    `load_more`, `scroll`, `max_rounds`: how a page is made to grow, as in Growth.
    """

    wait_until: WaitUntil
    settle_s: float
    late_links_s: float
    routes: bool
    load_more: str | None
    scroll: bool
    max_rounds: int
    leads_on: Callable[[str, list[str]], bool]

    def waits(self, timeout_s: float) -> Waits:
        """What one page is waited for."""
        return Waits(Deadline.after(timeout_s), self.wait_until, self.settle_s, timeout_s)


class Tabs:
    """Visits addresses in one tab; after an error in a new one, as the old one may hang on.

    A tab of its own, since a crash of the task's first page would end the task.
    """

    def __init__(self, context: BrowserContext, user_agent: str, visiting: Visiting) -> None:
        self._context = context
        self._user_agent = user_agent
        self._visiting = visiting
        self._tab: Tab | None = None

    async def visit(self, url: str, timeout_s: float, growth_s: float) -> Visited:
        """Open `url`, let the page grow, and read its links; a fault is an `error` of the outcome.

        `timeout_s` is for the opening; what has not grown after `growth_s` more is left.
        """
        if self._tab is None:
            self._tab = Tab(await self._context.new_page(), self._visiting)
            await self._tab.prepare(self._user_agent)
        visited = await self._tab.visit(url, timeout_s, growth_s)
        if visited.error is not None:
            await self.close()
        return visited

    async def close(self) -> None:
        """Close the tab, if there is one."""
        tab, self._tab = self._tab, None
        if tab is not None:
            await tab.page.close()


class Tab:
    """One page without downloads and popups."""

    def __init__(self, page: Page, visiting: Visiting) -> None:
        self.page = page
        self._visiting = visiting
        self._answer: Response | None = None
        self._file_name: str | None = None
        self._named = asyncio.Event()

    async def prepare(self, user_agent: str) -> None:
        """Set the page up, before its first visit."""
        self.page.on("popup", self._close_popup)
        self.page.on("download", self._cancel)
        cdp = await self.page.context.new_cdp_session(self.page)
        await cdp.send("Emulation.setUserAgentOverride", {"userAgent": user_agent})

    async def visit(self, url: str, timeout_s: float, growth_s: float) -> Visited:
        """Open `url`, and read its links, as Tabs does."""
        self._answer = self._file_name = None
        self._named.clear()
        self.page.on("response", self._note_answer)
        try:
            links, status = await _within(timeout_s, self._opened(url, timeout_s), url)
        except AnswersWithDownload:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._named.wait(), FILE_NAME_S)
            return Visited(url, *self._answered, download=True, file_name=self._file_name)
        except PageUnreachable as error:
            return Visited(url, *self._answered, error=str(error))
        except Error as error:
            reason = error.message.splitlines()[0]
            return Visited(url, *self._answered, error=f"{url} failed: {reason}")
        finally:
            self.page.remove_listener("response", self._note_answer)
        if links.content_type == PDF:  # what the headless shell downloads, a full Chromium shows
            name = unquote(urlsplit(self.page.url).path.rpartition("/")[2])
            return Visited(url, *self._answered, download=True, file_name=name or None)
        # A page may have moved on since the first answer.
        visited = Visited(self.page.url, status, self._answered[1], links=links)
        if self._visiting.load_more is None and not self._visiting.scroll:
            return visited
        return await self._grown(visited, links, growth_s)

    async def _opened(self, url: str, timeout_s: float) -> tuple[Links, int | None]:
        if "#" in url:
            await self.page.goto("about:blank")  # else it may be a move within the document
        visit = await go(self.page, url, waits=self._visiting.waits(timeout_s))
        await settle(visit)
        links = await self._read()
        if links.scripted and not self._visiting.leads_on(self.page.url, links.urls):
            links = await self._late_links(links)
        return links, visit.status

    async def _late_links(self, links: Links) -> Links:
        loop = asyncio.get_running_loop()
        changed_at = loop.time()
        end = changed_at + self._visiting.late_links_s
        before = links
        while (now := loop.time()) < end:
            await asyncio.sleep(POLL_S)
            following = await self._read()
            if following.urls != links.urls:
                links, changed_at = following, now
            elif links is not before and now - changed_at >= STABLE_S:
                break
        return links

    async def _grown(self, visited: Visited, links: Links, seconds: float) -> Visited:
        """Return the page with the links that it shows once it has grown, and those before."""
        given = self._visiting
        growth = Growth(
            self.page, load_more=given.load_more, scroll=given.scroll, max_rounds=given.max_rounds
        )
        urls = dict.fromkeys(links.urls)
        error = None
        try:
            async with asyncio.timeout(seconds):
                while await growth.more():
                    links = await self._read()
                    urls.update(dict.fromkeys(links.urls))
        except TimeoutError:
            error = f"{visited.url} still grew when the time was over"
        except LeftPage:
            error = f"{given.load_more!r} leads to another page, {self.page.url}: it is a link"
        except Error as fault:
            error = f"{visited.url} failed: {fault.message.splitlines()[0]}"
        links = replace(links, urls=list(urls), count=max(links.count, len(urls)))
        return replace(visited, links=links, growth=growth.ended_by, error=error)

    async def _read(self) -> Links:
        while True:
            try:
                return await read_links(self.page, routes=self._visiting.routes)
            except Error as error:
                if "context was destroyed" not in error.message:
                    raise
            await self.page.wait_for_load_state("domcontentloaded", timeout=0)

    @property
    def _answered(self) -> tuple[int | None, Mapping[str, str]]:
        return (self._answer.status, self._answer.headers) if self._answer else (None, {})

    def _note_answer(self, response: Response) -> None:
        request = response.request
        if request.is_navigation_request() and request.frame is self.page.main_frame:
            self._answer = response
            if not 300 <= response.status < 400:
                # Each event costs some 0.1 ms, so the answers to the page's parts are not heard.
                self.page.remove_listener("response", self._note_answer)

    async def _cancel(self, download: Download) -> None:
        self._file_name = download.suggested_filename
        self._named.set()
        with suppress(Error):
            await download.cancel()
            await download.delete()  # a small one had ended before

    async def _close_popup(self, popup: Page) -> None:
        popup.on("download", self._cancel)
        with suppress(Error):
            await popup.close()


async def _within(seconds: float, opening: Awaitable[T], url: str) -> T:
    """Await what opens `url`. Raises PageUnreachable when it takes longer than `seconds`."""
    scope = asyncio.timeout(seconds)
    try:
        async with scope:
            return await opening
    except TimeoutError as cause:
        if not scope.expired():
            raise
        raise PageUnreachable(f"{url} had not loaded after {seconds:.3g} s") from cause
