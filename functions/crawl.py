"""A site's pages, link by link."""

from dataclasses import dataclass
from typing import Annotated

from playwright.async_api import Page

from slotgrid.function import Context, InputRefused, Meta, function
from worker.pages.browser_options import Browser, BrowserOptions
from worker.pages.context_page import open_context_page, site_headers, without_credentials
from worker.pages.growing import LoadMore, MaxRounds, Scroll
from worker.pages.inputs import SettleS, Url, WaitUntil

from ._crawler import CrawledPage, Crawler, StoppedBy
from ._frontier import Frontier
from ._pace import Pace
from ._robots import Identity, RobotsFiles
from ._tab import Tabs, Visiting
from ._urls import origin_of, page_of

AGENT = "Slotgrid"
"""The name of a crawl whose caller gives none."""

ProductToken = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9_-]+(/[A-Za-z0-9._-]+)?( \([^()]*\))?$", max_length=200)
]

_NORMAL = "url => URL.canParse(url) && new URL(url).host ? new URL(url).href : null"


@dataclass(frozen=True)
class Crawl:
    """Every page in the order of the visits, and why there is no further one."""

    pages: Annotated[list[CrawledPage], Meta(description="One for each visit, in their order")]
    failed: Annotated[int, Meta(description="Pages with an error, or with a status from 400 on")]
    found: Annotated[int, Meta(description="Addresses of the site that were seen")]
    refused_by_robots: Annotated[int, Meta(description="Addresses that robots.txt forbids")]
    stopped_by: Annotated[StoppedBy, Meta(description="Why no further page was visited")]
    site: Annotated[str, Meta(description="Where the start led, and what the crawl did not leave")]
    retry_after_s: Annotated[
        float | None,
        Meta(description="Seconds that a host wants to be left alone, if that ended the crawl"),
    ] = None


@function(timeout_s=1800, streaming=True, on_failure=())  # the page at hand is blank then
async def crawl(
    context: Context,
    url: Url,
    *,
    max_pages: Annotated[
        int, Meta(ge=1, le=10_000, description="Addresses visited; downloads and failures count")
    ] = 50,
    max_depth: Annotated[int, Meta(ge=0, le=100, description="Links from the start")] = 5,
    match: Annotated[
        str, Meta(max_length=500, description="Shell pattern of addresses, like */docs/*")
    ] = "*",
    delay_s: Annotated[float, Meta(ge=0, le=60, description="Pause between pages")] = 0.1,
    page_timeout_s: Annotated[
        float,
        Meta(
            gt=0,
            le=120,
            description="Seconds that a page may take to load; then it is read as it is",
        ),
    ] = 10,
    robots: Annotated[bool, Meta(description="Obey robots.txt")] = True,
    agent: Annotated[
        ProductToken | None,
        Meta(
            description="Name, such as `Mybot/1.0 (comment)`, by which the crawl shows itself to "
            "the site, behind the browser's own, and by which robots.txt may address it; default "
            "`Slotgrid`, or the products of `browser.user_agent`",
            examples=["Mybot/1.0 (+https://example.org/bot)"],
        ),
    ] = None,
    wait_until: WaitUntil = "domcontentloaded",
    settle_s: SettleS = 0.5,
    late_links_s: Annotated[
        float,
        Meta(
            ge=0,
            le=60,
            description="Seconds that the scripts of a page may take to add links, if it has none "
            "that leads on",
        ),
    ] = 1,
    hash_routes: Annotated[
        bool, Meta(description="Addresses that differ in `#/...` or `#!...` are pages of their own")
    ] = False,
    load_more: LoadMore = None,
    scroll: Scroll = False,
    max_rounds: MaxRounds = 50,
    browser: Browser = None,
) -> Crawl:
    """Follow the links of one site, nearest first; streams each page as a line of JSON.

    The site is the host where the start leads; http and https, `www.` and none, are one. A page
    that fails is recorded and the crawl goes on; a download is recorded and not fetched. Ends
    before the task's deadline with what it has.

    Limits:
    - Subdomains other than `www.` are other sites, which the crawl does not enter.
    - A redirect to an address that robots.txt forbids is followed by the browser; the page is then
      not read.
    - Links that scripts add later than `late_links_s` are not found; on a page that has links, only
      those are read that are there when it has settled, and those that `load_more` or `scroll`
      brings.
    - A page with five links or more that moves on by script, and is not the start, may be read
      before it does.
    - Links in closed shadow roots, in frames of other origins, and those marked `nofollow` are not
      followed.
    - Files are recorded by name and type, not stored.
    """
    page = await open_context_page(context, url, browser)
    start = await _normal(page, without_credentials(url), routes=hash_routes)
    identity = await _identity(page, agent, browser)
    frontier = Frontier(start, max_depth=max_depth, match=match)
    visiting = Visiting(
        wait_until=wait_until,
        settle_s=settle_s,
        late_links_s=late_links_s if browser is None or browser.javascript else 0,
        routes=hash_routes,
        load_more=load_more,
        scroll=scroll,
        max_rounds=max_rounds,
        leads_on=frontier.leads_on,
    )
    crawler = Crawler(
        context,
        Tabs(page.context, identity.user_agent, visiting),
        frontier=frontier,
        robots=RobotsFiles(
            page.context.request,
            identity,
            site_headers(browser, url) if browser else {},
            obeyed=robots,
        ),
        pace=Pace(delay_s),
        max_pages=max_pages,
        page_timeout_s=page_timeout_s,
        routes=hash_routes,
    )
    stop = await crawler.run()
    pages = crawler.pages
    return Crawl(
        pages=pages,
        failed=sum(one.error is not None or (one.status or 0) >= 400 for one in pages),
        found=frontier.found,
        refused_by_robots=crawler.refused,
        stopped_by=stop.reason,
        site=origin_of(pages[0].redirected_to or pages[0].url) if pages else origin_of(start),
        retry_after_s=stop.retry_after_s,
    )


async def _identity(page: Page, agent: str | None, browser: BrowserOptions | None) -> Identity:
    """Return how the crawl shows itself. Raises InputRefused for two ways at once."""
    own: str = await page.evaluate("navigator.userAgent")
    if browser is not None and browser.user_agent is not None:
        if agent is not None:
            raise InputRefused("agent", "`browser.user_agent` is given too; give one of them")
        return Identity(own, own)
    token = agent or AGENT
    return Identity(f"{own} {token}", token.split("/")[0])


async def _normal(page: Page, url: str, *, routes: bool) -> str:
    """Return the address as the browser writes it. Raises InputRefused for what it cannot read."""
    normal: str | None = await page.evaluate(_NORMAL, url)
    if normal is None:
        raise InputRefused("url", f"{url} is not an address that can be crawled")
    return page_of(normal, routes=routes)
