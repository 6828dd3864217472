"""The way from one page of a list to the next."""

from dataclasses import dataclass

from playwright.async_api import Page

from worker.pages.records import explain_selector
from worker.pages.visible_text import READER

# What is disabled leads nowhere. A link to the page itself, or to a script, works by its click.
_NEXT = f"""selector => {{
  const reader = ({READER})();
  let found;
  try {{ [found] = reader.all(selector); }} catch {{ return {{ fault: true }}; }}
  const off = ":disabled, [aria-disabled=true], .disabled";
  if (!found || found.matches(off) || found.parentElement?.matches(`li:is(${{off}})`)) return null;
  const href = found.href?.baseVal ?? found.href;
  const address = typeof href === "string" && href !== "" ? new URL(href, found.baseURI) : null;
  if (address === null || !/^https?:$/.test(address.protocol)) return {{ click: true }};
  address.hash = "";
  const here = new URL(location.href);
  here.hash = "";
  return address.href === here.href ? {{ click: true }} : {{ address: address.href }};
}}"""


@dataclass(frozen=True)
class NextPage:
    """How the next page is reached: by its `address`, or by a click on `selector` without one."""

    selector: str
    address: str | None


async def next_page_of(page: Page, selector: str | None) -> NextPage | None:
    """Return how the first element that `selector` matches leads on; None when nothing does.

    A link to another page has an address. A button, and a link to the page itself, is clicked.
    Raises ValueError for a selector that the browser cannot read.
    """
    if selector is None:
        return None
    found = await page.evaluate(_NEXT, selector)
    if found is None:
        return None
    if "fault" in found:
        raise ValueError(explain_selector("next_page", selector))
    return NextPage(selector, found.get("address"))
