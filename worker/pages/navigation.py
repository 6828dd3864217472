"""One navigation of a page: to an address, anew, or in its history."""

from collections.abc import Awaitable

from playwright.async_api import Error, Page, Response
from playwright.async_api import TimeoutError as PageTimeout

from worker.pages.errors import AnswersWithDownload, PageUnreachable
from worker.pages.faults import DOWNLOAD, failure_reason, unanswered
from worker.pages.loading import finish_loading
from worker.pages.visits import Stopwatch, Visit, Waits


async def go(page: Page, url: str, *, waits: Waits) -> Visit:
    """Navigate `page`, and wait for its load within the limits of `waits`.

    Raises PageUnreachable. Do not use the page again after that: the browser's own error page may
    arrive late, and interrupt the next navigation.
    """
    going = page.goto(url, wait_until="commit", timeout=waits.left_ms)
    return await arrive_by(page, url, going, waits=waits)


async def arrive_by(
    page: Page, url: str, going: Awaitable[Response | None], *, waits: Waits
) -> Visit:
    """Await a navigation as far as its commit, then its load. Raises PageUnreachable, like `go`."""
    stopwatch = Stopwatch()
    try:
        response = await going
    except PageTimeout as cause:
        raise PageUnreachable(await unanswered(page, url, stopwatch)) from cause
    except Error as cause:
        if (reason := failure_reason(cause.message)) is None:
            raise
        kind = AnswersWithDownload if reason == DOWNLOAD else PageUnreachable
        raise kind(f"{url} cannot be opened: {reason}") from cause
    refreshes = response is not None and "refresh" in response.headers
    visit = Visit(page, url, response.status if response else None, waits, refreshes=refreshes)
    await finish_loading(visit, stopwatch)
    return visit
