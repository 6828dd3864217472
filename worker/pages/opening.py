"""Opening the page that a task names, ready to be read."""

from slotgrid.function import Context
from worker.pages.elements import find
from worker.pages.inputs import Viewport, WaitUntil
from worker.pages.navigation import Visit, go


async def open_page(
    context: Context,
    url: str,
    *,
    wait_until: WaitUntil = "load",
    wait_for: str | None = None,
    viewport: Viewport | None = None,
) -> Visit:
    """Open `url` in the task's page and wait as told, for as long as the task's deadline allows.

    Raises PageUnreachable when there is no page, ElementMissing when `wait_for` does not appear.
    """
    page = await context.page()
    if viewport is not None:
        await page.set_viewport_size({"width": viewport.width, "height": viewport.height})
    visit = await go(page, url, wait_until=wait_until)
    if wait_for is not None:
        await find(page, wait_for)
    return visit
