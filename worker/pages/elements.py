"""Finding elements: a bounded wait, and clear errors."""

import asyncio
import math
from typing import Literal

from playwright.async_api import ElementHandle, Error, Frame, Locator, Page
from playwright.async_api import TimeoutError as PageTimeout

from slotgrid.function import InputRefused
from worker.pages.errors import ElementMissing

FIND_S = 10.0
"""Seconds an element that was named may take to appear."""
LOOK_S = 0.1
"""Seconds between two looks for an element that may be in any frame."""


async def find(
    page: Page | Frame,
    selector: str,
    *,
    field: str,
    state: Literal["attached", "visible"] = "visible",
    at_most_s: float = math.inf,
) -> ElementHandle:
    """Wait for the first element that `selector` names, at most `FIND_S`, or less.

    `field` is the input's field that has the selector, for errors.
    Raises ElementMissing when none comes, InputRefused when the selector cannot be read.
    """
    limit_s = min(FIND_S, at_most_s)
    try:
        element = await page.wait_for_selector(selector, state=state, timeout=limit_s * 1000)
    except PageTimeout as cause:
        raise ElementMissing(
            f"{page.url} showed no element that matches {selector!r} within {limit_s:.3g} s"
            f" (`{field}`)"
        ) from cause
    except Error as cause:
        raise selector_fault(field, selector, cause) from cause
    assert element is not None  # only `detached` and `hidden` may give none
    return element


def selector_fault(field: str, selector: str, error: Error) -> Exception:
    """Return what to raise for `error`: InputRefused when the selector is at fault."""
    if is_selector_fault(error):
        return InputRefused(field, f"{selector!r} is not a valid selector")
    return error


def is_selector_fault(error: Error) -> bool:
    """Whether a call failed because its selector cannot be read."""
    return "while parsing" in error.message or "not a valid selector" in error.message


async def find_visible(page: Page, selector: str, *, field: str) -> Locator:
    """Wait for the first visible element that `selector` names in the page or one of its frames.

    Raises ElementMissing when none comes within `FIND_S`, InputRefused for a bad selector.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + FIND_S
    while True:
        hidden = 0
        for frame in page.frames:
            every = frame.locator(selector)
            try:
                if await every.filter(visible=True).count():
                    return every.filter(visible=True).first
                hidden += await every.count()
            except Error as cause:
                if isinstance(fault := selector_fault(field, selector, cause), InputRefused):
                    raise fault from cause
                if frame is page.main_frame:
                    raise
        if loop.time() >= end:
            break
        await asyncio.sleep(LOOK_S)
    none = f"none of the {hidden} elements that match" if hidden else "no element that matches"
    raise ElementMissing(f"{page.url} showed {none} {selector!r} within {FIND_S:g} s (`{field}`)")
