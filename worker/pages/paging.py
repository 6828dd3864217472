"""The way from one page of a list to the next."""

from dataclasses import dataclass

from playwright.async_api import Page

from slotgrid.function import InputRefused
from worker.pages.matching import is_css, on_matches
from worker.pages.records import explain_selector

# What is disabled leads nowhere. A link to the page itself, or to a script, works by its click.
_NEXT = """([found]) => {
  const off = ":disabled, [aria-disabled=true], .disabled";
  if (!found || found.matches(off) || found.parentElement?.matches(`li:is(${off})`)) return null;
  const href = found.href?.baseVal ?? found.href;
  const address = typeof href === "string" && href !== "" ? new URL(href, found.baseURI) : null;
  if (address === null || !/^https?:$/.test(address.protocol)) return { click: true };
  address.hash = "";
  const here = new URL(location.href);
  here.hash = "";
  return address.href === here.href ? { click: true } : { address: address.href };
}"""


@dataclass(frozen=True)
class NextPage:
    """How the next page is reached: by its `address`, or by a click on `selector` without one."""

    selector: str
    address: str | None


async def next_page_of(page: Page, selector: str | None) -> NextPage | None:
    """Return how the first element that `selector` matches leads on; None when nothing does.

    A link to another page has an address. A button, and a link to the page itself, is clicked.
    Raises InputRefused for a selector that the browser cannot read.
    """
    if selector is None:
        return None
    if not await is_css(page, selector):
        raise InputRefused("next_page", explain_selector(selector))
    found = await on_matches(page, selector, _NEXT)
    if found is None:
        return None
    return NextPage(selector, found.get("address"))
