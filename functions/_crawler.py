"""One crawl under way: what it visits, how it waits, and why it stops."""

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated, Literal

from slotgrid.function import Context, Meta
from worker.pages.errors import PageUnreachable
from worker.pages.growing import GrowthEnd
from worker.pages.links import Links
from worker.pages.results import Loaded, Pending, Status

from ._frontier import Frontier
from ._pace import LIMITED, MAX_ATTEMPTS, MAX_RETRY_AFTER_S, Pace
from ._robots import RobotsFiles, RobotsForbid
from ._tab import Tabs, Visited
from ._urls import page_of

RESERVE_S = 2.0
"""Seconds before the task's deadline at which a crawl stops, to hand over what it has."""

MAX_RESULT_CHARS = 16 * 1024 * 1024
"""Characters of all records as JSON; a caller of `context.call` may take 24 MiB."""

MAX_TITLE_CHARS = 1000
"""A longer title is cut off."""

MAX_LIMITED_PAGES = 3
"""After so many pages in a row that a host refused to the end, a crawl stops."""

_NOFOLLOW = re.compile(r"(^|,)\s*(nofollow|none)\s*(,|$)", re.IGNORECASE)

StoppedBy = Literal["finished", "max_pages", "deadline", "rate-limited", "result-size"]


@dataclass(frozen=True)
class CrawledPage:
    """One address: what it is, or why it could not be had."""

    url: Annotated[str, Meta(description="Address that was visited")]
    depth: Annotated[int, Meta(description="Links between the start and this page")]
    status: Status = None
    title: Annotated[
        str | None, Meta(description="Null for a download and for a page that failed")
    ] = None
    links: Annotated[int, Meta(description="Links to addresses of http and https")] = 0
    redirected_to: Annotated[
        str | None, Meta(description="Where the address led, if that is another one")
    ] = None
    error: Annotated[str | None, Meta(description="Why the page could not be read")] = None
    kind: Annotated[
        Literal["page", "download"],
        Meta(description="`download`: a file that the browser does not show; it is not fetched"),
    ] = "page"
    content_type: Annotated[str | None, Meta(description="Type, as the server names it")] = None
    file_name: Annotated[
        str | None, Meta(description="Name under which a download would be saved")
    ] = None
    attempts: Annotated[
        int, Meta(description="Visits until the host no longer answered 429 or 503")
    ] = 1
    loaded: Loaded = True
    pending: Pending = field(default_factory=list)
    growth: Annotated[
        GrowthEnd | None,
        Meta(description="Why `load_more` and `scroll` brought nothing further"),
    ] = None


class Stop(Exception):
    """The crawl ends here, with what it has."""

    def __init__(self, reason: StoppedBy, *, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after_s = retry_after_s


class Crawler:
    """Visits what `frontier` gives in `tabs`, at the pace of `pace` and `robots`.

    `pages` has the records so far, `refused` counts what robots.txt forbade.
    """

    def __init__(
        self,
        context: Context,
        tabs: Tabs,
        *,
        frontier: Frontier,
        robots: RobotsFiles,
        pace: Pace,
        max_pages: int,
        page_timeout_s: float,
        routes: bool,
    ) -> None:
        self.pages: list[CrawledPage] = []
        self.refused = 0
        self._context = context
        self._tabs = tabs
        self._frontier = frontier
        self._robots = robots
        self._pace = pace
        self._max_pages = max_pages
        self._page_timeout_s = page_timeout_s
        self._routes = routes
        self._limited_in_a_row = 0
        self._chars = 0

    async def run(self) -> Stop:
        """Visit everything; return why there is no further page.

        Raises PageUnreachable or RobotsForbid when the start cannot be had.
        """
        try:
            while (target := self._frontier.take()) is not None:
                await self._crawl(*target)
        except Stop as stop:
            return stop
        finally:
            await self._tabs.close()
        return Stop("finished")

    @property
    def _left_s(self) -> float:
        return self._context.deadline.remaining_s - RESERVE_S

    async def _crawl(self, url: str, depth: int) -> None:
        """Visit one address, record it, and hand its links to the frontier."""
        rules = await self._robots.governing(url, seconds=self._page_timeout_s)
        if refusal := rules.refusal(url):
            if depth == 0 and rules.host_down:
                raise PageUnreachable(f"{url} cannot be opened: {rules.unreadable}")
            self._note_refusal(refusal, depth)
            return
        if len(self.pages) == self._max_pages:
            raise Stop("max_pages")
        if self.pages:
            await self._pause(rules.delay_s)
        visited, attempts = await self._visit(url, rules.delay_s)
        arrived = page_of(visited.url, routes=self._routes)
        if refusal := await self._refusal_of_redirect(url, arrived, depth):
            self._note_refusal(refusal, depth)
            visited = Visited(arrived, visited.status, error=refusal)
        await self._keep(self._record(url, depth, visited, attempts))
        if visited.links is not None and visited.status not in LIMITED:
            self._frontier.arrived(arrived, depth, self._followed(visited.links, visited.headers))
        await self._progress()
        self._check(visited, depth)

    async def _visit(self, url: str, robots_delay_s: float) -> tuple[Visited, int]:
        """Visit `url`, again while its host limits requests; return the number of attempts too."""
        attempt = 0
        while True:
            attempt += 1
            if self._left_s <= 0:
                raise Stop("deadline")
            left_s = self._left_s
            timeout_s = min(self._page_timeout_s, left_s)
            visited = await self._tabs.visit(url, timeout_s, left_s - timeout_s)
            if visited.status not in LIMITED:
                self._limited_in_a_row = 0
                self._pace.answered()
                return visited, attempt
            self._pace.limited(visited.headers.get("retry-after"))
            if attempt == MAX_ATTEMPTS or not self._may_wait:
                self._limited_in_a_row += 1
                return visited, attempt
            await self._pause(robots_delay_s)

    @property
    def _may_wait(self) -> bool:
        """Whether the wait that the host asks for is one that the crawl can afford."""
        wait_s = self._pace.wait_s
        return not wait_s or wait_s <= min(MAX_RETRY_AFTER_S, self._left_s)

    async def _pause(self, robots_delay_s: float) -> None:
        """Wait until the host may be asked again."""
        if not self._may_wait:
            raise Stop("rate-limited", retry_after_s=self._pace.wait_s)
        if self._pace.wait_s:
            await self._progress(f", waits {self._pace.wait_s:.3g} s as its host limits requests")
        pause_s = self._pace.pause_s(robots_delay_s)
        await asyncio.sleep(max(0.0, min(pause_s, self._left_s)))

    async def _refusal_of_redirect(self, url: str, arrived: str, depth: int) -> str | None:
        """Why the page behind a redirect is not the crawl's to read; None when it is."""
        if arrived == url or not (depth == 0 or self._frontier.owns(arrived)):
            return None
        rules = await self._robots.governing(arrived, seconds=self._page_timeout_s)
        return rules.refusal(arrived)

    def _note_refusal(self, refusal: str, depth: int) -> None:
        if depth == 0:
            raise RobotsForbid(f"{refusal}; `robots: false` crawls it nevertheless")
        self.refused += 1

    def _followed(self, links: Links, headers: Mapping[str, str]) -> list[str]:
        """The links that robots may follow, by what the page and its headers say."""
        nofollow = links.nofollow or _NOFOLLOW.search(headers.get("x-robots-tag", ""))
        return [] if nofollow and self._robots.obeyed else links.urls

    def _record(self, url: str, depth: int, visited: Visited, attempts: int) -> CrawledPage:
        arrived = page_of(visited.url, routes=self._routes)
        links = visited.links
        content_type = visited.headers.get("content-type", "").split(";")[0].strip().lower()
        error = visited.error
        if visited.status in LIMITED:
            times = "1 attempt" if attempts == 1 else f"{attempts} attempts"
            error = f"{url} answered {visited.status} to {times}: its host limits requests"
        return CrawledPage(
            url,
            depth,
            visited.status,
            links.title[:MAX_TITLE_CHARS] if links else None,
            links.count if links else 0,
            redirected_to=None if arrived == url else arrived,
            error=error,
            kind="download" if visited.download else "page",
            content_type=content_type or (links.content_type if links else None),
            file_name=visited.file_name,
            attempts=attempts,
            loaded=visited.loaded,
            pending=visited.pending,
            growth=visited.growth,
        )

    async def _keep(self, record: CrawledPage) -> None:
        """Keep and stream a record."""
        line = json.dumps(asdict(record), ensure_ascii=False)
        self._chars += len(line)
        self.pages.append(record)
        await self._context.stream(line + "\n")

    async def _progress(self, more: str = "") -> None:
        pages = len(self.pages)
        await self._context.progress(
            f"{pages} pages, {self._frontier.waiting} waiting{more}", pages / self._max_pages
        )

    def _check(self, visited: Visited, depth: int) -> None:
        """Raise when the crawl ends with this visit."""
        if depth == 0 and visited.error is not None:
            raise PageUnreachable(visited.error)
        if depth == 0 and visited.download:
            raise PageUnreachable(f"{visited.url} is a download, so there are no links to follow")
        if visited.error is not None and self._left_s <= 0:
            raise Stop("deadline")  # which cut this page short, so its links are not known
        if self._limited_in_a_row >= (MAX_LIMITED_PAGES if depth else 1):
            raise Stop("rate-limited", retry_after_s=self._pace.wait_s)
        if self._limited_in_a_row and not self._may_wait:
            raise Stop("rate-limited", retry_after_s=self._pace.wait_s)
        if self._chars > MAX_RESULT_CHARS:
            raise Stop("result-size")
