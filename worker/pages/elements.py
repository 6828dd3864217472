"""Finding elements: a bounded wait, and clear errors."""

from typing import Literal

from playwright.async_api import ElementHandle, Error, Frame, Page
from playwright.async_api import TimeoutError as PageTimeout

from worker.pages.errors import ElementMissing

FIND_S = 10.0
"""Seconds an element that was named may take to appear."""


async def find(
    page: Page | Frame, selector: str, *, state: Literal["attached", "visible"] = "visible"
) -> ElementHandle:
    """Wait for the first element that `selector` names, at most `FIND_S`.

    Raises ElementMissing when none comes, ValueError when the selector cannot be read.
    """
    try:
        element = await page.wait_for_selector(selector, state=state, timeout=FIND_S * 1000)
    except PageTimeout as cause:
        raise ElementMissing(
            f"{page.url} showed no element that matches {selector!r} within {FIND_S:g} s"
        ) from cause
    except Error as cause:
        raise selector_fault(selector, cause) from cause
    assert element is not None  # only `detached` and `hidden` may give none
    return element


def selector_fault(selector: str, error: Error) -> Exception:
    """Return what to raise for `error`: a ValueError when the selector is what is wrong."""
    if "while parsing" in error.message or "not a valid selector" in error.message:
        return ValueError(f"{selector!r} is not a valid selector")
    return error
