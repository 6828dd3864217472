"""Pictures of a page or of an element: whole, of a bounded size, within a bounded time."""

import asyncio
import base64
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal

from playwright.async_api import Error, Locator, Page
from playwright.async_api import TimeoutError as PageTimeout

from slotgrid.function import InputRefused, Meta
from worker.pages import png
from worker.pages.activity import watch
from worker.pages.elements import find_visible
from worker.pages.errors import PictureFailed
from worker.pages.lazy_content import load_lazy_content
from worker.pages.loading import MAX_PENDING
from worker.pages.picture_size import BOX, PAGE_SIZE, PictureSize
from worker.pages.unfolding import unfolded
from worker.pages.visits import Visit

PictureFormat = Annotated[
    Literal["png", "jpeg", "webp"], Meta(description="Type of the picture's file")
]
FullPage = Annotated[bool, Meta(description="The whole page, not the window alone")]
LoadLazy = Annotated[
    bool,
    Meta(
        description="Scroll through a whole page before its picture is taken, so that pictures "
        "that load only when they come into view are there"
    ),
]
Animations = Annotated[
    Literal["disabled", "allow"],
    Meta(description="`disabled` shows the end of each animation, `allow` whatever it shows then"),
]
OmitBackground = Annotated[
    bool, Meta(description="Leave out the page's white background: a PNG or WebP is transparent")
]
Quality = Annotated[int, Meta(ge=1, le=100, description="Of a JPEG or WebP")]

FILES_S = 3.0
"""Seconds that fonts and files may still take when a picture is taken; then the page stops loading.
Until a font is there or has failed, its text is invisible."""
CAPTURE_S = 40.0
"""Seconds that a browser may take for a picture; a page of 260 million pixels took 10."""
LAZY_S = 15.0
"""Seconds for what loads late."""

RECALL_S = 0.2
"""Seconds in which the ends of requests that were made earlier are known."""

WINDOW_PX = 9_000
"""The highest page that a browser with a window drew whole; one of 16,000 pixels was blank."""


@dataclass(frozen=True)
class Look:
    """How a picture is drawn."""

    format: PictureFormat = "png"
    quality: int = 80
    animations: Literal["disabled", "allow"] = "disabled"
    omit_background: bool = False

    def __post_init__(self) -> None:
        if self.omit_background and self.format == "jpeg":
            raise InputRefused("omit_background", "a JPEG cannot be transparent; take png or webp")

    def options(self) -> dict[str, Any]:
        """The arguments for Playwright's screenshots."""
        return {
            "type": self.format,
            "quality": None if self.format == "png" else self.quality,
            "animations": self.animations,
            "omit_background": self.omit_background,
        }


async def take_picture(
    visit: Visit,
    look: Look,
    *,
    full_page: bool = False,
    selector: str | None = None,
    load_lazy: bool = True,
) -> bytes:
    """Take a picture of the window, of the whole page, or of an element.

    Files that a whole page loads late are waited for; those that did not come are added to
    `visit.pending`, and `visit.loaded` is then false.

    Raises PictureFailed with the reason, ElementMissing, InputRefused for a bad selector.
    """
    page = visit.page
    limit_s = max(1.0, min(LAZY_S + FILES_S + CAPTURE_S, visit.waits.deadline.remaining_s - 1))
    limit = asyncio.timeout(limit_s)
    try:
        async with limit:
            if selector is not None:
                element = await find_visible(page, selector, field="selector")
                async with unfolded(page):
                    return await _of_element(visit, element, selector, look)
            if not full_page:
                return await _capture(visit, look, page.screenshot)
            async with unfolded(page) as has_grown:
                if load_lazy:
                    lazy_s = min(LAZY_S, limit_s / 2)
                    absent = await load_lazy_content(page, at_most_s=lazy_s, has_grown=has_grown)
                    _missing(visit, absent)
                return await _of_page(visit, look)
    except TimeoutError as cause:
        if not limit.expired():
            raise
        raise PictureFailed(
            f"{page.url} gave no picture within {limit_s:.0f} s: its scripts are busy, or it takes "
            "that long to draw"
        ) from cause


async def _of_page(visit: Visit, look: Look) -> bytes:
    page = visit.page
    size = PictureSize(**await page.evaluate(PAGE_SIZE))
    size.check("the page", look.format)
    await _check_browser(page, size)
    shot = page.screenshot if size.isHtml else partial(_draw, page)
    if size.is_large and look.format == "png":
        return await _in_strips(visit, look, shot, (0, 0, size))
    # Without a clip, the browser measures the page once more: it may have grown.
    whole = {"x": 0, "y": 0, "width": size.width, "height": size.height}
    return await _capture(visit, look, shot, full_page=True, clip=whole if size.isCut else None)


async def _check_browser(page: Page, size: PictureSize) -> None:
    """Raise PictureFailed where a browser with a window, for debugging, would draw nothing."""
    if size.height * size.scale <= WINDOW_PX:
        return
    session = await page.context.new_cdp_session(page)
    try:
        browser = await session.send("Browser.getVersion")
    finally:
        await session.detach()
    if "Headless" not in browser["userAgent"]:
        raise PictureFailed(
            f"a browser with a window draws at most {WINDOW_PX} pixels in height: set HEADLESS=1, "
            "or take a selector or a pdf"
        )


async def _of_element(visit: Visit, element: Locator, selector: str, look: Look) -> bytes:
    page = visit.page
    size = PictureSize(**await element.evaluate(BOX))
    if size.width < 1 or size.height < 1:
        raise PictureFailed(
            f"the element {selector!r} is {size.width:g} x {size.height:g} pixels: nothing to draw"
        )
    size.check(f"the element {selector!r}", look.format)
    await _check_browser(page, size)
    if size.is_large and look.format == "png":
        box = await element.bounding_box()
        assert box is not None  # it was visible a moment ago
        x, y = await page.evaluate("() => [scrollX, scrollY]")
        size = PictureSize(math.ceil(size.width), math.ceil(size.height), size.scale)
        area = (math.floor(box["x"] + x), math.floor(box["y"] + y), size)
        return await _in_strips(visit, look, page.screenshot, area)
    return await _capture(visit, look, element.screenshot)


async def _draw(
    page: Page,
    *,
    type: PictureFormat,  # noqa: A002  as Playwright names it
    quality: int | None,
    omit_background: bool,
    clip: Mapping[str, float],
    **_others: Any,
) -> bytes:
    """Take a picture of a document without a body, such as an SVG: Playwright waits for a body."""
    session = await page.context.new_cdp_session(page)
    options: dict[str, Any] = {"format": type, "clip": {**clip, "scale": 1}}
    if quality is not None:
        options["quality"] = quality
    transparent = {"color": {"r": 0, "g": 0, "b": 0, "a": 0}} if omit_background else {}
    try:
        await session.send("Emulation.setDefaultBackgroundColorOverride", transparent)
        answer = await session.send(
            "Page.captureScreenshot", {**options, "captureBeyondViewport": True}
        )
        return base64.b64decode(answer["data"])
    finally:
        await session.detach()


async def _in_strips(
    visit: Visit,
    look: Look,
    shot: Callable[..., Awaitable[bytes]],
    area: tuple[float, float, PictureSize],
) -> bytes:
    """Take strips of the page and put them together; each is of a size that is drawn whole."""
    left, top, size = area
    step = size.strip_height()
    strips = []
    for y in range(0, math.ceil(size.height), step):
        clip = {
            "x": left,
            "y": top + y,
            "width": size.width,
            "height": min(step, size.height - y),
        }
        strips.append(await _capture(visit, look, shot, full_page=True, clip=clip))
    picture = await asyncio.to_thread(png.stitch, strips)
    header = png.read_header(picture)
    wanted = round(size.width * size.scale), round(size.height * size.scale)
    if abs(header.width - wanted[0]) > 1 or abs(header.height - wanted[1]) > 1:
        raise PictureFailed(
            f"the page changed its size while its picture was taken: {wanted[0]} x {wanted[1]} "
            f"pixels at first, {header.width} x {header.height} in the end"
        )
    return picture


async def _capture(
    visit: Visit, look: Look, shot: Callable[..., Awaitable[bytes]], **more: Any
) -> bytes:
    """Take one picture.

    Playwright first waits until the document's fonts and files have loaded, and does so for ever:
    stopping what the page loads ends that wait, also for fonts that begin to load later.
    """
    page = visit.page
    taking = asyncio.ensure_future(shot(**look.options(), **more, timeout=CAPTURE_S * 1000))
    try:
        while not (await asyncio.wait([taking], timeout=FILES_S))[0]:
            _missing(visit, await _still_loading(page))
            await _stop_loading(page)
        picture = taking.result()
    except PageTimeout as cause:
        raise PictureFailed(
            f"{page.url} gave no picture within {CAPTURE_S:g} s: what is drawn moves all the time, "
            "or its scripts are busy"
        ) from cause
    except Error as cause:
        if "Clipped area" in cause.message:
            raise PictureFailed("the page became smaller while its picture was taken") from cause
        raise
    finally:
        taking.cancel()
    if not picture:
        raise PictureFailed(f"the browser gave an empty {look.format}: take png, or a pdf")
    return picture


async def _still_loading(page: Page) -> list[str]:
    """Addresses of files that the page waits for; what its scripts fetch is their own affair."""
    async with watch(page) as activity:
        await activity.recall()
        await activity.quiet(at_most_s=RECALL_S)
        return [one.url for one in activity.under_way if one.resource_type not in {"fetch", "xhr"}]


async def _stop_loading(page: Page) -> None:
    """End what the page still loads, in all of its frames, as the browser's stop button does."""
    session = await page.context.new_cdp_session(page)
    try:
        await session.send("Page.stopLoading")
    finally:
        await session.detach()


def _missing(visit: Visit, addresses: list[str]) -> None:
    """Note what the picture lacks."""
    if addresses:
        visit.loaded = False
        visit.pending = list(dict.fromkeys([*visit.pending, *addresses]))[:MAX_PENDING]
