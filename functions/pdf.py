"""A page on paper."""

from dataclasses import dataclass

from playwright.async_api import Page

from slotgrid.function import Context, function
from worker.pages.browser_options import Browser
from worker.pages.inputs import LoadTimeoutS, SettleS, Url, WaitFor, WaitUntil
from worker.pages.opening import open_page
from worker.pages.paper import (
    Background,
    Landscape,
    Line,
    MarginField,
    Media,
    Outline,
    Pages,
    Paper,
    PaperFormat,
    PreferCssSize,
    Scale,
    Side,
    Tagged,
    print_page,
)
from worker.pages.reading import read, title_of
from worker.pages.results import Address, Loaded, PageTitle, Pending, Print, Status


@dataclass(frozen=True)
class Document:
    """The PDF, and what it shows."""

    artifact: Print
    title: PageTitle
    url: Address
    status: Status
    loaded: Loaded
    pending: Pending


@function(timeout_s=60)
async def pdf(
    context: Context,
    url: Url,
    *,
    format: PaperFormat = "A4",  # noqa: A002  callers' word
    width: Side = None,
    height: Side = None,
    landscape: Landscape = False,
    margin: MarginField = "1cm",
    scale: Scale = 1,
    background: Background = True,
    prefer_css_size: PreferCssSize = True,
    pages: Pages = "",
    header: Line = "",
    footer: Line = "",
    media: Media = "print",
    outline: Outline = False,
    tagged: Tagged = False,
    wait_until: WaitUntil = "load",
    wait_for: WaitFor = None,
    settle_s: SettleS = 0.5,
    load_timeout_s: LoadTimeoutS = 15,
    browser: Browser = None,
) -> Document:
    """Print a page to a PDF, with its print style, as an artifact.

    Limits:
    - A header or footer needs a margin: a narrower one becomes 12 mm wide, and wins over the page's
      own `@page` margins. Its HTML loads no files; its styles are its own.
    - A page whose print style hides everything gives an empty sheet; `media: screen` prints what
      screens show.
    - What is wider than the sheet is made smaller, to half its size at most; the rest is cut off on
      the right: a smaller `scale`, a larger `width` or `landscape` shows it.
    - A page is not scrolled through. Pictures with `loading=lazy` load for print; what scripts load
      only on scrolling does not.
    - An address that answers with a PDF is refused: it is a file already.
    """
    paper = Paper(
        format,
        width,
        height,
        landscape,
        margin,
        scale,
        background,
        prefer_css_size,
        pages,
        header,
        footer,
        media,
        outline,
        tagged,
    )
    visit = await open_page(
        context,
        url,
        wait_until=wait_until,
        wait_for=wait_for,
        settle_s=settle_s,
        load_timeout_s=load_timeout_s,
        browser=browser,
    )

    async def printed(page: Page) -> tuple[bytes, str]:
        return await print_page(visit, paper), await title_of(page)

    document, title = await read(visit, printed)
    artifact = await context.save("page.pdf", document)
    return Document(artifact, title, visit.page.url, visit.status, visit.loaded, visit.pending)
