"""A picture of a page."""

import asyncio
from dataclasses import dataclass
from typing import Annotated, Literal

from playwright.async_api import Page

from slotgrid.function import Artifact, Context, Meta, function
from worker.pages.elements import find
from worker.pages.inputs import (
    LoadTimeoutS,
    Selector,
    SettleS,
    Url,
    Viewport,
    WaitFor,
    WaitUntil,
)
from worker.pages.opening import open_page
from worker.pages.reading import read
from worker.pages.results import Address, Loaded, PageTitle, Pending, Status


@dataclass(frozen=True)
class Screenshot:
    """The picture, and what it shows."""

    artifact: Artifact
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
    full_page: Annotated[bool, Meta(description="The whole page, not the window alone")] = False,
    selector: Annotated[
        Selector | None, Meta(description="Only the first element that it matches")
    ] = None,
    format: Literal["png", "jpeg"] = "png",  # noqa: A002  the word that callers know
    quality: Annotated[int, Meta(ge=1, le=100, description="Of a JPEG")] = 80,
    viewport: Viewport | None = None,
    wait_until: WaitUntil = "load",
    wait_for: WaitFor = None,
    settle_s: SettleS = 0.5,
    load_timeout_s: LoadTimeoutS = 15,
    delay_s: Annotated[
        float, Meta(ge=0, le=30, description="Seconds to wait besides, for animations")
    ] = 0,
) -> Screenshot:
    """Take a picture of a page, of all of it, or of one element, as an artifact."""
    visit = await open_page(
        context,
        url,
        wait_until=wait_until,
        wait_for=wait_for,
        settle_s=settle_s,
        load_timeout_s=load_timeout_s,
        viewport=viewport,
    )
    await asyncio.sleep(delay_s)
    jpeg_quality = quality if format == "jpeg" else None

    async def taken(page: Page) -> tuple[bytes, str]:
        if selector is None:
            picture = await page.screenshot(
                full_page=full_page, type=format, quality=jpeg_quality, timeout=0
            )
        else:
            element = await find(page, selector)
            picture = await element.screenshot(type=format, quality=jpeg_quality, timeout=0)
        return picture, await page.title()

    picture, title = await read(visit, taken)
    artifact = await context.save(f"screenshot.{format}", picture)
    return Screenshot(artifact, title, visit.page.url, visit.status, visit.loaded, visit.pending)
