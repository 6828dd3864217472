"""A picture of a page."""

import asyncio
from dataclasses import dataclass
from typing import Annotated

from playwright.async_api import Page

from slotgrid.function import Context, Meta, function
from worker.pages.browser_options import Browser
from worker.pages.inputs import (
    LoadTimeoutS,
    Selector,
    SettleS,
    Url,
    WaitFor,
    WaitUntil,
    Window,
)
from worker.pages.opening import open_page
from worker.pages.pictures import (
    Animations,
    FullPage,
    LoadLazy,
    Look,
    OmitBackground,
    PictureFormat,
    Quality,
    take_picture,
)
from worker.pages.reading import read, title_of
from worker.pages.results import Address, Loaded, PageTitle, Pending, Picture, Status


@dataclass(frozen=True)
class Screenshot:
    """The picture, and what it shows."""

    artifact: Picture
    title: PageTitle
    url: Address
    status: Status
    loaded: Loaded
    pending: Pending


@function(timeout_s=60)
async def screenshot(
    context: Context,
    url: Url,
    *,
    full_page: FullPage = False,
    load_lazy: LoadLazy = True,
    selector: Annotated[
        Selector | None, Meta(description="Only the first visible element that it matches, whole")
    ] = None,
    format: PictureFormat = "png",  # noqa: A002  the word that callers know
    quality: Quality = 80,
    omit_background: OmitBackground = False,
    animations: Animations = "disabled",
    viewport: Window = None,
    wait_until: WaitUntil = "load",
    wait_for: WaitFor = None,
    settle_s: SettleS = 0.5,
    load_timeout_s: LoadTimeoutS = 15,
    delay_s: Annotated[
        float, Meta(ge=0, le=30, description="Seconds to wait besides, for animations")
    ] = 0,
    browser: Browser = None,
) -> Screenshot:
    """Take a picture of a page, of all of it, or of one element, as an artifact.

    Limits:
    - A PNG has at most 270 million pixels, a JPEG 65,535 pixels a side, a WebP 16,383; more is an
      error, never a part of the page.
    - A whole page is scrolled through once, for at most 15 s, and followed for 50 window heights
      when it grows. Files that have not come by then are named in `pending`.
    - Parts that a script hides again when the page is scrolled back to its top stay hidden.
    - A part that scrolls in itself is shown whole if it fills the window and grows with it; another
      one is drawn as far as it shows.
    - A browser with a window (`HEADLESS=0`) draws at most 9,000 pixels in height; more is an error.
    - What a script draws later is not waited for beyond `settle_s`, also while it fetches its data:
      name it in `wait_for`. A list that holds only the rows in view is blank below them.
    - A film, a canvas or a counter is drawn as it is at that moment, also with animations disabled.
    """
    look = Look(format, quality, animations, omit_background)
    visit = await open_page(
        context,
        url,
        wait_until=wait_until,
        wait_for=wait_for,
        settle_s=settle_s,
        load_timeout_s=load_timeout_s,
        viewport=viewport,
        browser=browser,
    )
    await asyncio.sleep(delay_s)

    async def taken(page: Page) -> tuple[bytes, str]:
        picture = await take_picture(
            visit, look, full_page=full_page, selector=selector, load_lazy=load_lazy
        )
        return picture, await title_of(page)

    picture, title = await read(visit, taken)
    artifact = await context.save(f"screenshot.{format}", picture)
    return Screenshot(artifact, title, visit.page.url, visit.status, visit.loaded, visit.pending)
