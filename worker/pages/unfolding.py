"""Pages whose content scrolls in a part of the window: the window grows as high as the content."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Page

from worker.pages.errors import PictureFailed

MAX_WINDOW_PX = 60_000
"""The highest window, in CSS pixels."""

ATTEMPTS = 3
"""How often the window grows: a higher window may show more content."""

_MAIN_PART = """() => {
    const root = document.scrollingElement
    if (!root || root.scrollHeight > innerHeight + 1) return null
    return document.elementsFromPoint(innerWidth / 2, innerHeight / 2).find(one =>
        one !== root
        && one.scrollHeight > one.clientHeight + 1
        && ['auto', 'scroll'].includes(getComputedStyle(one).overflowY)
        && one.clientWidth * one.clientHeight >= innerWidth * innerHeight / 2)
}"""
_HIDDEN_HEIGHT = "main => main ? main.scrollHeight - main.clientHeight : 0"


@asynccontextmanager
async def unfolded(page: Page) -> AsyncIterator[bool]:
    """For the length of the block, show all of a page whose main part scrolls by itself.

    Yields whether the window grew. Raises PictureFailed for content that no window can show.

    Many applications are as high as the window and scroll in an element: a picture of the whole
    page would be one of the window. An element whose height does not follow the window stays.
    """
    size = page.viewport_size
    main = await page.evaluate_handle(_MAIN_PART)
    hidden = await main.evaluate(_HIDDEN_HEIGHT)
    if not hidden or size is None:
        yield False
        return
    height = size["height"]
    try:
        for _ in range(ATTEMPTS):
            if (height := height + hidden) > MAX_WINDOW_PX:
                raise PictureFailed(
                    f"the part of the page that scrolls would be {height} pixels high; "
                    f"{MAX_WINDOW_PX} are the most: take a selector of a part of it, or a pdf"
                )
            await page.set_viewport_size({"width": size["width"], "height": height})
            left = await main.evaluate(_HIDDEN_HEIGHT)
            if left >= hidden:  # its height does not follow the window's
                await page.set_viewport_size(size)
                height = size["height"]
                break
            hidden = left
            if not hidden:
                break
        yield height > size["height"]
    finally:
        await page.set_viewport_size(size)
