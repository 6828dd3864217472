"""Why an element cannot be used: disabled, read-only, hidden, or covered by another one."""

import asyncio
import re

from playwright.async_api import ElementHandle
from playwright.async_api import TimeoutError as PageTimeout

from worker.pages.errors import ElementUnusable
from worker.pages.form_controls import ask
from worker.pages.form_fields import FIELD_S, POLL_S, Field

_CLICKED = "performing click action"
"""What Playwright's log of a call has once the mouse was pressed."""


async def until_usable(field: Field) -> None:
    """Wait until the field takes input, at most `FIELD_S`. Raises ElementUnusable with the reason.

    A read-only field gets the focus first: pages keep browsers from filling a field in by making it
    writable only then.
    """
    clock = asyncio.get_running_loop().time
    end = clock() + FIELD_S
    while (why := await ask(field.element, "obstacleOf")) is not None:
        if why.startswith("is hidden") and field.visibility:
            return
        if clock() >= end:
            if why == "is read-only":
                why += ": the page sets it itself, for example by a calendar"
            raise ElementUnusable(f"field {field.name!r} ({field.tag}) {why}")
        if why == "is read-only":
            await field.element.focus()
        await asyncio.sleep(POLL_S)


async def click(element: ElementHandle, what: str) -> None:
    """Click, when nothing covers the element; waits `FIELD_S` for that.

    `what` names the element in the error. Raises ElementUnusable with the reason.
    """
    await until_free(element, what)
    try:
        await element.click(timeout=FIELD_S * 1000, no_wait_after=True)
    except PageTimeout as cause:
        if _CLICKED in cause.message:
            return  # and the page is still busy with it
        raise ElementUnusable(f"{what} {await reason(element, cause)}") from cause


async def until_free(element: ElementHandle, what: str) -> None:
    """Wait until the element is enabled and nothing covers it. Raises ElementUnusable."""
    clock = asyncio.get_running_loop().time
    end = clock() + FIELD_S
    while True:
        why = await ask(element, "obstacleOf")
        cover = None if why else await ask(element, "coverOf")
        if not why and not cover:
            return
        if clock() >= end:
            raise ElementUnusable(f"{what} {why or f'is covered by {cover}: dismiss that first'}")
        await asyncio.sleep(POLL_S)


async def reason(element: ElementHandle, error: PageTimeout) -> str:
    """Why Playwright waited in vain, in our words or else in those of its log."""
    if why := await ask(element, "obstacleOf"):
        return str(why)
    if cover := await ask(element, "coverOf"):
        return f"is covered by {cover}: dismiss that first"
    if await element.evaluate("element => getComputedStyle(element).pointerEvents === 'none'"):
        return "takes no clicks: its pointer-events are none"
    # An overlay of the page that is around a frame is not seen from inside the frame.
    if found := re.search(r"- (<.+?>).* intercepts pointer events", error.message):
        return f"is covered by {found[1][:200]}: dismiss that first"
    return f"did not take a click within {FIELD_S:g} s: it keeps moving or changing"
