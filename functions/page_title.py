"""A page's title."""

from dataclasses import dataclass

from slotgrid.function import Context, function
from worker.pages.inputs import Url, WaitFor, WaitUntil
from worker.pages.opening import open_page


@dataclass(frozen=True)
class Title:
    """The title, the address that redirects led to, and its HTTP status."""

    title: str
    url: str
    status: int | None


@function(timeout_s=30)
async def page_title(
    context: Context, url: Url, *, wait_until: WaitUntil = "load", wait_for: WaitFor = None
) -> Title:
    """Open a page and return its title."""
    visit = await open_page(context, url, wait_until=wait_until, wait_for=wait_for)
    return Title(await visit.page.title(), visit.page.url, visit.status)
