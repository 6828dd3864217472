"""What a page says."""

from dataclasses import dataclass
from typing import Annotated

from playwright.async_api import Page

from slotgrid.function import Context, Meta, function
from worker.pages.browser_options import Browser
from worker.pages.elements import find
from worker.pages.inputs import LoadTimeoutS, Selector, SettleS, Url, WaitFor, WaitUntil
from worker.pages.opening import open_page
from worker.pages.page_content import Format, PageContent, Part, read_content
from worker.pages.reading import read
from worker.pages.results import Address, Loaded, PageTitle, Pending, Status


@dataclass(frozen=True)
class PageText:
    """What the page says; `encoding` is the one that the page was sent in."""

    content: Annotated[str, Meta(description="The text, or the HTML")]
    truncated: Annotated[bool, Meta(description="Whether `max_chars` cut the content")]
    title: PageTitle
    language: Annotated[str | None, Meta(description="As the page says, such as `en`")]
    description: Annotated[str | None, Meta(description="As the page says in its head")]
    encoding: Annotated[str, Meta(description="In which the page was sent")]
    url: Address
    status: Status
    loaded: Loaded
    pending: Pending


@function(timeout_s=60)
async def page_text(
    context: Context,
    url: Url,
    *,
    format: Format = "text",  # noqa: A002  the word that callers know
    selector: Annotated[
        Selector | None,
        Meta(description="Only the first element that it matches, instead of `part`"),
    ] = None,
    part: Annotated[
        Part,
        Meta(description="The main part of the page, or all of it with navigation and footers"),
    ] = "main",
    frames: Annotated[
        bool, Meta(description="Append the text of the frames that are shown, in their order")
    ] = False,
    max_chars: Annotated[int, Meta(ge=1, le=5_000_000)] = 200_000,
    wait_until: WaitUntil = "load",
    wait_for: WaitFor = None,
    settle_s: SettleS = 0.5,
    load_timeout_s: LoadTimeoutS = 15,
    browser: Browser = None,
) -> PageText:
    """Read a page's main part as its readers see it, or its HTML after scripts have run.

    The main part is the main landmark (`main`), else the articles, else the page without its
    navigation, footers and dialogs. Parts in open shadow roots are read in their place.

    Limits:

    - Closed shadow roots are not read, nor text that is drawn: in pictures, on a canvas, or by CSS
      (`::before`, list markers).
    - Frames are left out unless `frames` is true, or the page shows nothing else; their text comes
      after that of the page.
    - Text that readers uncover is left out until they do: closed `details`, other tabs, menus.
    - Case is as shown (`text-transform`); values in the fields of a form are not text.
    - XML without a style sheet gives its source.
    - The `Content-Language` header is not read.
    """
    visit = await open_page(
        context,
        url,
        wait_until=wait_until,
        wait_for=wait_for,
        settle_s=settle_s,
        load_timeout_s=load_timeout_s,
        browser=browser,
    )

    async def content_of(page: Page) -> PageContent:
        root = await find(page, selector, field="selector", state="attached") if selector else None
        return await read_content(
            page, root, part=part, format=format, frames=frames, max_chars=max_chars
        )

    read_part = await read(visit, content_of)
    return PageText(
        **vars(read_part),
        url=visit.page.url,
        status=visit.status,
        loaded=visit.loaded,
        pending=visit.pending,
    )
