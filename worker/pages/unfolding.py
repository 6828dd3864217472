"""Pages whose content scrolls in a part of the window: the window grows as high as the content."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Page

MAX_WINDOW_PX = 16_000
"""The highest window, in CSS pixels."""

ATTEMPTS = 3
"""How often the window grows: a higher window may show more content."""

_HIDDEN_HEIGHT = """() => {
    const root = document.scrollingElement
    if (!root || root.scrollHeight > innerHeight + 1) return 0
    const main = document.elementsFromPoint(innerWidth / 2, innerHeight / 2).find(one =>
        one !== root && one !== document.body
        && one.scrollHeight > one.clientHeight + 1
        && ['auto', 'scroll'].includes(getComputedStyle(one).overflowY)
        && one.clientWidth * one.clientHeight >= innerWidth * innerHeight / 2)
    return main ? main.scrollHeight - main.clientHeight : 0
}"""


@asynccontextmanager
async def unfolded(page: Page) -> AsyncIterator[None]:
    """For the length of the block, show all of a page whose main part scrolls by itself.

    Many applications are as high as the window and scroll in an element: a picture of the whole
    page would be one of the window. An element whose height does not follow the window stays.
    """
    size = page.viewport_size
    hidden = await page.evaluate(_HIDDEN_HEIGHT) if size else 0
    if not hidden or size is None:
        yield
        return
    height = size["height"]
    try:
        for _ in range(ATTEMPTS):
            height = min(MAX_WINDOW_PX, height + hidden)
            await page.set_viewport_size({"width": size["width"], "height": height})
            left = await page.evaluate(_HIDDEN_HEIGHT)
            if left >= hidden:  # its height does not follow the window's
                await page.set_viewport_size(size)
                break
            hidden = left
            if not hidden or height == MAX_WINDOW_PX:
                break
        yield
    finally:
        await page.set_viewport_size(size)
