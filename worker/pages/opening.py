"""Opening the page that a task names, ready to be read."""

from playwright.async_api import Page

from slotgrid.function import Context
from worker.pages.elements import find
from worker.pages.inputs import Viewport, WaitUntil
from worker.pages.navigation import Visit, Waits, go
from worker.pages.settling import settle


async def open_page(
    context: Context,
    url: str,
    *,
    wait_until: WaitUntil = "load",
    wait_for: str | None = None,
    settle_s: float = 0.5,
    load_timeout_s: float = 15,
    viewport: Viewport | None = None,
) -> Visit:
    """Open `url` in the task's page, and wait until it has loaded and come to rest.

    Raises PageUnreachable when there is no page, ElementMissing when `wait_for` does not appear.
    """
    page = await context.page()
    if viewport is not None:
        await page.set_viewport_size({"width": viewport.width, "height": viewport.height})
    waits = Waits(context.deadline, wait_until, settle_s, load_timeout_s)
    return await open_in(page, url, waits=waits, wait_for=wait_for)


async def open_in(page: Page, url: str, *, waits: Waits, wait_for: str | None = None) -> Visit:
    """Open `url` in `page`, and wait until it has loaded and come to rest.

    Raises PageUnreachable when there is no page, ElementMissing when `wait_for` does not appear.
    """
    visit = await go(page, url, waits=waits)
    await settle(visit)
    if wait_for is not None:
        await find(page, wait_for)
    return visit
