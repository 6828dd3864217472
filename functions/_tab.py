"""The tab in which a crawl visits addresses, one after the other."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from playwright.async_api import BrowserContext, Download, Error, Page, Response

from slotgrid.function import Deadline
from worker.pages.errors import AnswersWithDownload, PageUnreachable
from worker.pages.growing import Growth, GrowthEnd, LeftPage
from worker.pages.inputs import WaitUntil
from worker.pages.links import Links, read_links
from worker.pages.loading import moved_on
from worker.pages.navigation import go
from worker.pages.reading import read
from worker.pages.settling import settle
from worker.pages.visits import Visit, Waits

T = TypeVar("T")

FILE_NAME_S = 0.5
"""Seconds within which the name of a download follows the news that it is one."""

ARRIVAL_S = 2.0
"""Seconds beyond a page's time, in which one that has not loaded is read as it is."""

FEW_LINKS = 5
"""A page with fewer links may be one that moves on by script; to wait until each page has settled
would take a crawl twice its time."""

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
    loaded: bool = True
    pending: list[str] = field(default_factory=list)
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
        """What one page is waited for: what has not loaded after `timeout_s` is read as it is."""
        deadline = Deadline.after(timeout_s + ARRIVAL_S)
        return Waits(deadline, self.wait_until, self.settle_s, timeout_s)


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
        self._is_first = True

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
            visit, links = await _within(timeout_s + ARRIVAL_S, self._opened(url, timeout_s), url)
        except AnswersWithDownload:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._named.wait(), FILE_NAME_S)
            return self._answered(url, download=True, file_name=self._file_name)
        except PageUnreachable as error:
            return self._answered(url, error=str(error))
        except Error as error:
            return self._answered(url, error=_fault(url, error))
        finally:
            self.page.remove_listener("response", self._note_answer)
        if links.content_type == PDF:  # what the headless shell downloads, a full Chromium shows
            name = unquote(urlsplit(visit.page.url).path.rpartition("/")[2])
            return self._answered(url, download=True, file_name=name or None)
        return await self._with_more_links(visit, links, growth_s)

    async def _opened(self, url: str, timeout_s: float) -> tuple[Visit, Links]:
        """Open `url`, and follow it where it moves on: the start, and pages that look like that."""
        if "#" in url:
            await self.page.goto("about:blank")  # else it may be a move within the document
        visit = await go(self.page, url, waits=self._visiting.waits(timeout_s))
        links = await read(visit, self._read)
        if visit.refreshes or links.refreshes or len(links.urls) < FEW_LINKS or self._is_first:
            await settle(visit)
            links = await read(visit, self._read)
        self._is_first = False
        return visit, links

    async def _read(self, page: Page) -> Links:
        return await read_links(page, routes=self._visiting.routes)

    async def _with_more_links(self, visit: Visit, links: Links, seconds: float) -> Visited:
        """Return the page with the links that come late or as it grows; `seconds` bound both."""
        given, url, error, growth = self._visiting, self.page.url, None, None
        found = Found(links)
        try:
            async with asyncio.timeout(seconds):
                if links.scripted and not given.leads_on(url, links.urls):
                    await self._await_late_links(found)
                    url = self.page.url
                if given.load_more is not None or given.scroll:
                    growth = await self._grow(found)
        except TimeoutError:
            error = f"{url} still showed more when the time was over"
        except LeftPage:
            error = f"{given.load_more!r} leads to another page, {self.page.url}: it is a link"
        except Error as fault:
            error = _fault(url, fault)
        answer = self._answer
        return Visited(
            url,
            visit.status,
            visit.loaded,
            visit.pending,
            headers=answer.headers if answer and answer.status == visit.status else {},
            links=found.all,
            growth=growth,
            error=error,
        )

    async def _await_late_links(self, found: "Found") -> None:
        loop = asyncio.get_running_loop()
        changed_at = loop.time()
        end = changed_at + self._visiting.late_links_s
        came = False
        while (now := loop.time()) < end:
            await asyncio.sleep(POLL_S)
            try:
                links = await self._read(self.page)
            except Error as error:
                if moved_on(error):
                    continue
                raise
            if found.add(links):
                came, changed_at = True, now
            elif came and now - changed_at >= STABLE_S:
                break

    async def _grow(self, found: "Found") -> GrowthEnd | None:
        given = self._visiting
        growth = Growth(
            self.page, load_more=given.load_more, scroll=given.scroll, max_rounds=given.max_rounds
        )
        while await growth.more():
            found.add(await self._read(self.page))
        return growth.ended_by

    def _answered(self, url: str, **outcome: Any) -> Visited:
        if self._answer is None:
            return Visited(url, **outcome)
        return Visited(url, self._answer.status, headers=self._answer.headers, **outcome)

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


class Found:
    """The links of a page over time: an address that was there once counts."""

    def __init__(self, links: Links) -> None:
        self._last = links
        self._urls = dict.fromkeys(links.urls)

    def add(self, links: Links) -> bool:
        """Add what the page shows now; say whether that is something new."""
        before = len(self._urls)
        self._last = links
        self._urls.update(dict.fromkeys(links.urls))
        return len(self._urls) > before

    @property
    def all(self) -> Links:
        """What the page shows now, with the addresses of all times."""
        count = max(self._last.count, len(self._urls))
        return replace(self._last, urls=list(self._urls), count=count)


def _fault(url: str, error: Error) -> str:
    if moved_on(error):
        return f"{url} moved on again and again, so that it could not be read"
    return f"{url} failed: {error.message.splitlines()[0]}"


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
