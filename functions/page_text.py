"""What a page says."""

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from playwright.async_api import Page

from slotgrid.function import Context, Meta, function
from worker.pages.elements import find
from worker.pages.inputs import LoadTimeoutS, Selector, SettleS, Url, WaitFor, WaitUntil
from worker.pages.opening import open_page
from worker.pages.reading import read

# The part that a reader came for, when the page says which; `innerText` is what is shown, so
# hidden parts, scripts and styles are left out and line breaks fall where they are seen.
_READ = """([root, format]) => {
  const whole = document.documentElement;
  root ??= document.querySelector("main, [role=main], article") ?? document.body ?? whole;
  const meta = name => document.querySelector(`meta[name=${name}]`)?.content ?? null;
  return {
    content: format === "text" ? root.innerText ?? root.textContent : root.outerHTML,
    title: document.title,
    language: whole.lang || null,
    description: meta("description"),
    encoding: document.characterSet,
  };
}"""


@dataclass(frozen=True)
class PageText:
    """What the page says; `encoding` is the one that the page was sent in."""

    content: str
    truncated: bool
    title: str
    language: str | None
    description: str | None
    encoding: str
    url: str
    status: int | None
    loaded: bool
    pending: list[str]


@function(timeout_s=60)
async def page_text(
    context: Context,
    url: Url,
    *,
    format: Literal["text", "html"] = "text",  # noqa: A002  the word that callers know
    selector: Annotated[
        Selector | None,
        Meta(description="Only the first element that it matches; default the main part"),
    ] = None,
    max_chars: Annotated[int, Meta(ge=1, le=5_000_000)] = 200_000,
    wait_until: WaitUntil = "load",
    wait_for: WaitFor = None,
    settle_s: SettleS = 0.5,
    load_timeout_s: LoadTimeoutS = 15,
) -> PageText:
    """Read a page's main part as its readers see it, or its HTML after scripts have run."""
    visit = await open_page(
        context,
        url,
        wait_until=wait_until,
        wait_for=wait_for,
        settle_s=settle_s,
        load_timeout_s=load_timeout_s,
    )

    async def found_on(page: Page) -> dict[str, Any]:
        root = await find(page, selector, state="attached") if selector else None
        found: dict[str, Any] = await page.evaluate(_READ, [root, format])
        return found

    found = await read(visit, found_on)
    content = found.pop("content")
    if format == "text":
        content = re.sub(r"\n{3,}", "\n\n", content.replace("\xa0", " ")).strip()
    return PageText(
        content=content[:max_chars],
        truncated=len(content) > max_chars,
        url=visit.page.url,
        status=visit.status,
        loaded=visit.loaded,
        pending=visit.pending,
        **found,
    )
