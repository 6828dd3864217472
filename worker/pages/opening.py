"""Opening the page that a task names, ready to be read."""

from playwright.async_api import Page

from slotgrid.function import Context
from worker.pages.browser_options import BrowserOptions
from worker.pages.context_page import open_context_page, without_credentials
from worker.pages.elements import find
from worker.pages.inputs import Viewport, WaitUntil
from worker.pages.loading import status_of
from worker.pages.navigation import go
from worker.pages.settling import settle
from worker.pages.visits import Visit, Waits


async def open_page(
    context: Context,
    url: str,
    *,
    wait_until: WaitUntil = "load",
    wait_for: str | None = None,
    settle_s: float = 0.5,
    load_timeout_s: float = 15,
    viewport: Viewport | None = None,
    browser: BrowserOptions | None = None,
) -> Visit:
    """Open `url` in the task's page, and wait until it has loaded and come to rest.

    `browser` counts in the call that opens the task's browser context.
    Raises PageUnreachable when there is no page, ElementMissing when `wait_for` does not appear,
    InputRefused for options of `browser` that cannot be fulfilled.
    """
    page = await open_context_page(context, url, browser, viewport=viewport)
    waits = Waits(context.deadline, wait_until, settle_s, load_timeout_s)
    return await open_in(page, without_credentials(url), waits=waits, wait_for=wait_for)


async def open_in(page: Page, url: str, *, waits: Waits, wait_for: str | None = None) -> Visit:
    """Open `url` in `page`, and wait until it has loaded and come to rest.

    Raises PageUnreachable when there is no page, ElementMissing when `wait_for` does not appear.
    """
    visit = await go(page, url, waits=waits)
    await settle(visit)
    if wait_for is not None:
        url = page.url
        await find(page, wait_for, field="wait_for", at_most_s=waits.left_s)
        if page.url != url:
            visit.status = await status_of(visit)
    return visit
