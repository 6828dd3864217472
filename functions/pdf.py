"""A page on paper."""

from dataclasses import dataclass
from typing import Annotated, Literal

from playwright.async_api import Page

from slotgrid.function import Artifact, Context, Meta, function
from worker.pages.inputs import LoadTimeoutS, SettleS, Url, WaitFor, WaitUntil
from worker.pages.opening import open_page
from worker.pages.reading import read
from worker.pages.results import Address, Loaded, PageTitle, Pending, Status

Length = Annotated[
    str,
    Meta(pattern=r"^\d+(\.\d+)?(px|in|cm|mm)$", description="For example 1cm", examples=["1cm"]),
]


@dataclass(frozen=True)
class Document:
    """The PDF, and what it shows."""

    artifact: Artifact
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
    format: Literal["A3", "A4", "A5", "Letter", "Legal"] = "A4",  # noqa: A002  callers' word
    landscape: bool = False,
    margin: Length = "1cm",
    scale: Annotated[float, Meta(ge=0.1, le=2)] = 1,
    background: Annotated[bool, Meta(description="Print colours and pictures behind text")] = True,
    prefer_css_size: Annotated[
        bool, Meta(description="Let the page's own @page size win over `format`")
    ] = True,
    pages: Annotated[
        str, Meta(pattern=r"^(\d+(-\d+)?(, ?\d+(-\d+)?)*)?$", description="For example 1-3, 5")
    ] = "",
    wait_until: WaitUntil = "load",
    wait_for: WaitFor = None,
    settle_s: SettleS = 0.5,
    load_timeout_s: LoadTimeoutS = 15,
) -> Document:
    """Print a page to a PDF, with its print style, as an artifact."""
    visit = await open_page(
        context,
        url,
        wait_until=wait_until,
        wait_for=wait_for,
        settle_s=settle_s,
        load_timeout_s=load_timeout_s,
    )

    async def printed(page: Page) -> tuple[bytes, str]:
        paper = await page.pdf(
            format=format,
            landscape=landscape,
            margin={"top": margin, "right": margin, "bottom": margin, "left": margin},
            scale=scale,
            print_background=background,
            prefer_css_page_size=prefer_css_size,
            page_ranges=pages,
        )
        return paper, await page.title()

    paper, title = await read(visit, printed)
    artifact = await context.save("page.pdf", paper)
    return Document(artifact, title, visit.page.url, visit.status, visit.loaded, visit.pending)
