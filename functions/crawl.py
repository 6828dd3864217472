"""A site's pages, link by link."""

import asyncio
import json
from collections.abc import Awaitable
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal, TypeVar

from playwright.async_api import Error, Page

from slotgrid.function import Context, Deadline, Meta, function
from worker.pages.errors import PageUnreachable
from worker.pages.inputs import Url, WaitUntil
from worker.pages.navigation import Waits, go

from ._frontier import Frontier
from ._robots import Robots, read_robots
from ._urls import normalise

AGENT = "Slotgrid"
"""The product token by which robots.txt may address the crawl."""

RESERVE_S = 2.0
"""Seconds before the task's deadline at which a crawl stops, to hand over what it has."""

# An SVG link's `href` is an object that holds the text.
_READ = """() => ({
  title: document.title,
  links: [...document.querySelectorAll("a[href], area[href]")]
    .filter(link => !link.rel?.split(/\\s+/).includes("nofollow"))
    .map(link => link.href.baseVal ?? link.href),
})"""

T = TypeVar("T")
StoppedBy = Literal["finished", "max_pages", "deadline"]


@dataclass(frozen=True)
class CrawledPage:
    """One page: what it is, or why it could not be had. `depth` counts links from the start."""

    url: str
    depth: int
    status: int | None = None
    title: str | None = None
    links: int = 0
    redirected_to: str | None = None
    error: str | None = None


@dataclass(frozen=True)
class Crawl:
    """Every page in the order of the visits; `found` counts addresses seen, visited or not."""

    pages: list[CrawledPage]
    failed: int
    found: int
    refused_by_robots: int
    stopped_by: StoppedBy


@function(timeout_s=1800, streaming=True)
async def crawl(
    context: Context,
    url: Url,
    *,
    max_pages: Annotated[int, Meta(ge=1, le=10_000)] = 50,
    max_depth: Annotated[int, Meta(ge=0, le=100, description="Links from the start")] = 5,
    match: Annotated[
        str, Meta(max_length=500, description="Shell pattern of addresses, like */docs/*")
    ] = "*",
    delay_s: Annotated[float, Meta(ge=0, le=60, description="Pause between pages")] = 0.1,
    page_timeout_s: Annotated[float, Meta(gt=0, le=120)] = 10,
    robots: Annotated[bool, Meta(description="Obey robots.txt")] = True,
    wait_until: WaitUntil = "domcontentloaded",
) -> Crawl:
    """Follow the links of one host, nearest first; streams each page as a line of JSON.

    A page that fails is recorded and the crawl goes on; one that is no page (a download) too.
    Links marked nofollow are left alone. Ends before the task's deadline with what it has.
    """
    start = normalise(url)
    if start is None:
        raise ValueError(f"{url} is not an address that can be crawled")
    page = await context.page()
    rules = Robots()
    if robots:
        rules = await read_robots(page.context.request, start, agent=AGENT, seconds=page_timeout_s)
    pause_s = max(delay_s, rules.delay_s)
    frontier = Frontier(start, max_depth=max_depth, match=match, robots=rules)
    pages: list[CrawledPage] = []
    stopped_by: StoppedBy = "finished"
    while (following := frontier.take()) is not None:
        if pages:
            await asyncio.sleep(min(pause_s, context.deadline.remaining_s))
        left_s = context.deadline.remaining_s - RESERVE_S
        if len(pages) == max_pages or left_s <= 0:
            stopped_by = "max_pages" if len(pages) == max_pages else "deadline"
            break
        crawled, links = await _visit(page, *following, wait_until, min(page_timeout_s, left_s))
        frontier.arrived(crawled.redirected_to or crawled.url, crawled.depth, links)
        pages.append(crawled)
        await context.stream(json.dumps(asdict(crawled), ensure_ascii=False) + "\n")
        await context.progress(
            f"{len(pages)} pages, {frontier.waiting} waiting", len(pages) / max_pages
        )
        if crawled.error is not None:
            if context.deadline.remaining_s <= RESERVE_S:
                stopped_by = "deadline"  # which cut this page short, so its links are not known
                break
            page = await _replaced(page)
    return Crawl(
        pages=pages,
        failed=sum(one.error is not None or (one.status or 0) >= 400 for one in pages),
        found=frontier.found,
        refused_by_robots=frontier.refused_by_robots,
        stopped_by=stopped_by,
    )


async def _visit(
    page: Page, url: str, depth: int, wait_until: WaitUntil, timeout_s: float
) -> tuple[CrawledPage, list[str]]:
    """Open one page; return what it is, and its links."""
    try:
        status, read = await _within(timeout_s, _open_and_read(page, url, wait_until), url)
    except PageUnreachable as error:
        return CrawledPage(url, depth, error=str(error)), []
    except Error as error:
        return CrawledPage(url, depth, error=f"{url} failed: {error.message.splitlines()[0]}"), []
    arrived = normalise(page.url)
    redirected_to = None if arrived == url else arrived
    links: list[str] = read["links"]
    return CrawledPage(url, depth, status, read["title"], len(links), redirected_to), links


async def _open_and_read(
    page: Page, url: str, wait_until: WaitUntil
) -> tuple[int | None, dict[str, Any]]:
    visit = await go(page, url, waits=Waits(Deadline.after(600), wait_until))
    while True:
        try:
            return visit.status, await page.evaluate(_READ)
        except Error as error:
            if "context was destroyed" not in error.message:
                raise
        # The page sends its reader on, by script or by its head: read where that leads. It may
        # have only begun to, so that the page that is left counts as loaded: then, once more.
        await page.wait_for_load_state(
            wait_until if wait_until != "commit" else "domcontentloaded", timeout=0
        )


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


async def _replaced(page: Page) -> Page:
    """Return a new page for one that failed: what hangs may go on hanging, or interrupt."""
    new = await page.context.new_page()
    await page.close()
    return new
