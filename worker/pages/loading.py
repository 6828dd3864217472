"""Waiting for a page's load within limits, and what the page was still waiting for at their end."""

import asyncio
from collections.abc import Awaitable, Iterable
from contextlib import suppress
from typing import TypeVar

from playwright.async_api import Error, Page, Request
from playwright.async_api import TimeoutError as PageTimeout

from worker.pages.activity import is_navigation, watch
from worker.pages.errors import PageUnreachable
from worker.pages.faults import unresponsive
from worker.pages.visits import Stopwatch, Visit

T = TypeVar("T")

ARRIVAL_S = 2.0
"""Seconds that a document has for its load, however late it arrived itself."""

MAX_PENDING = 20
"""Addresses in a list of those that a page was still waiting for."""
MAX_ADDRESS_CHARS = 300
"""Characters of such an address; a data URL can be megabytes long."""

_RECALL_S = 1.0
"""Seconds, at most, for the news which of the recalled requests have ended."""
_NEWS_S = 0.3
"""Seconds without such news after which no more is expected."""

STATUS = "(performance.getEntriesByType('navigation')[0]?.responseStatus || null)"
"""Script that gives the HTTP status of the document, null if it has none."""

MOVED_ON = "Execution context was destroyed, most likely because of a navigation"
"""Playwright's words for a call whose document was replaced meanwhile."""

_HAS_LOADED = "document.readyState === 'complete'"
_HAS_TEXT = "document.body?.hasChildNodes() ?? false"
# Fonts count as ready at a layout only, and without one a screenshot waits for them for ever.
_STOP = """() => {
  window.stop();
  const style = document.createElement("style");
  document.documentElement?.append(style);
  document.documentElement?.getBoundingClientRect();
  style.remove();
}"""


async def finish_loading(visit: Visit, stopwatch: Stopwatch) -> None:
    """Wait until the page has loaded as far as the visit asks, or was given its time for it.

    `stopwatch` began with the navigation. Raises PageUnreachable when the deadline is nearer than
    the soft limit, or when the page's scripts leave it no time to be read.
    """
    visit.loaded, visit.pending = True, []
    waits, page = visit.waits, visit.page
    if waits.until == "commit":
        return
    soft_s = max(waits.load_timeout_s - stopwatch.seconds, min(ARRIVAL_S, waits.load_timeout_s))
    is_hard = waits.left_s < soft_s
    if await _loads_within(visit, min(soft_s, waits.left_s)):
        return
    requests = await _under_way(visit)
    if not is_hard and await _has_text(visit, requests):
        visit.loaded, visit.pending = False, await stop_loading(visit, requests)
        return
    if not is_hard and await _loads_within(visit, waits.left_s):
        return
    raise PageUnreachable(f"{page.url} had not loaded after {stopwatch}{_names(requests, page)}")


async def stop_loading(visit: Visit, under_way: list[Request]) -> list[str]:
    """End what holds up the page's load, and so pictures of it; return what was under way.

    A page that has loaded goes on with what it began since. Raises PageUnreachable when the page's
    scripts leave it no time to be read.
    """
    page, pending = visit.page, list(under_way)
    if not await responsive(visit, page.evaluate(_HAS_LOADED)):
        async with watch(page) as activity:
            await responsive(visit, page.evaluate(_STOP))
            pending += activity.failed
    return listed(one.url for one in pending)


async def status_of(visit: Visit) -> int | None:
    """Return the HTTP status of the document that the page shows now."""
    status: int | None = await responsive(visit, visit.page.evaluate(STATUS))
    return status


async def responsive(visit: Visit, answer: Awaitable[T]) -> T:
    """Await an answer of the page. Raises PageUnreachable when none comes before the deadline."""
    stopwatch = Stopwatch()
    scope = asyncio.timeout(visit.waits.left_s)
    try:
        async with scope:
            return await answer
    except TimeoutError as cause:
        if not scope.expired():
            raise
        raise PageUnreachable(await unresponsive(visit.page, stopwatch)) from cause


def moved_on(error: Error) -> bool:
    """Whether a call failed because the page showed another document meanwhile."""
    return "context was destroyed" in error.message or "is navigating" in error.message


def listed(addresses: Iterable[str]) -> list[str]:
    """Return addresses, each once, bounded in number and length."""
    short = (one.split(",")[0] if one.startswith("data:") else one for one in addresses)
    return list(dict.fromkeys(one[:MAX_ADDRESS_CHARS] for one in short))[:MAX_PENDING]


async def _loads_within(visit: Visit, seconds: float) -> bool:
    """Wait until the page has loaded as far as the visit asks; False when that takes too long."""
    until = visit.waits.until
    assert until != "commit"
    try:
        await visit.page.wait_for_load_state(until, timeout=seconds * 1000)
    except PageTimeout:
        return False
    return True


async def _has_text(visit: Visit, under_way: list[Request]) -> bool:
    """Whether something of the document has arrived, or all of it, if that is nothing."""
    if not any(is_navigation(one, visit.page) for one in under_way):
        return True
    has_text: bool = await responsive(visit, visit.page.evaluate(_HAS_TEXT))
    return has_text


async def _under_way(visit: Visit) -> list[Request]:
    """Return the page's requests that have not ended."""
    limit_s = min(_RECALL_S, visit.waits.deadline.remaining_s / 3)
    async with watch(visit.page) as activity:
        await activity.recall(every_type=True)
        with suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                while True:
                    await asyncio.wait_for(activity.changed(), _NEWS_S)
        return activity.all_under_way


def _names(under_way: list[Request], page: Page) -> str:
    """Say what the page is still waiting for."""
    own = [one for one in under_way if is_navigation(one, page)]
    names = ["the rest of the page itself"] if own else []
    names += listed(one.url for one in under_way if one not in own)
    if not names:
        return ""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f", still waiting for {', '.join(names[:3])}{more}"
