"""A page's title."""

from dataclasses import dataclass

from slotgrid.function import Context, function
from worker.pages.browser_options import Browser
from worker.pages.inputs import LoadTimeoutS, SettleS, Url, WaitFor, WaitUntil
from worker.pages.opening import open_page
from worker.pages.reading import read, title_of
from worker.pages.results import Address, Loaded, PageTitle, Pending, Status


@dataclass(frozen=True)
class Title:
    """The title, the address that redirects led to, and its HTTP status."""

    title: PageTitle
    url: Address
    status: Status
    loaded: Loaded
    pending: Pending


@function(timeout_s=30)
async def page_title(
    context: Context,
    url: Url,
    *,
    wait_until: WaitUntil = "load",
    wait_for: WaitFor = None,
    settle_s: SettleS = 0.5,
    load_timeout_s: LoadTimeoutS = 15,
    browser: Browser = None,
) -> Title:
    """Open a page and return its title."""
    visit = await open_page(
        context,
        url,
        wait_until=wait_until,
        wait_for=wait_for,
        settle_s=settle_s,
        load_timeout_s=load_timeout_s,
        browser=browser,
    )
    title = await read(visit, title_of)
    return Title(title, visit.page.url, visit.status, visit.loaded, visit.pending)
