"""Finding the button that sends a form, and pressing it."""

import asyncio
from collections.abc import Sequence

from playwright.async_api import ElementHandle, Error, Frame, Locator, Page

from worker.pages.elements import is_selector_fault
from worker.pages.errors import ElementMissing
from worker.pages.form_controls import ask, ask_handle
from worker.pages.form_fields import FIELD_S, POLL_S, Field, is_passing
from worker.pages.form_values import named
from worker.pages.obstacles import click

DISMISS_S = 2.0
"""Seconds that a button which may be missing has to appear."""
_MOST = 50
"""Elements of one text or selector that are looked at."""


class ButtonUnclear(ValueError):
    """No button is given, and none is the one that sends the fields."""


async def press_named(name: str, field: Field) -> ElementHandle:
    """Press the button that has `name` as its text or as its selector; return it.

    Waits `FIELD_S` for it. One in the form of `field` goes first, then visible ones. Raises
    ElementMissing, ValueError for a selector that cannot be read, ElementUnusable.
    """
    page = field.frame.page
    frames = [field.frame, *(frame for frame in page.frames if frame is not field.frame)]
    if button := await _pressed(frames, name, field, within_s=FIELD_S):
        return button
    there = [text for frame in page.frames for text in await _texts(frame)]
    raise ElementMissing(
        f"{page.url} has no button with the text or selector {name!r}, waited {FIELD_S:g} s; "
        f"its buttons are {named(there)}"
    )


async def press_if_there(page: Page, name: str) -> bool:
    """Press a button by its text or selector, if it appears within `DISMISS_S`."""
    return await _pressed(page.frames, name, None, within_s=DISMISS_S) is not None


async def sending_button(field: Field, others: Sequence[Field]) -> ElementHandle | None:
    """The button that a person would press when the fields are filled in; None if there is none.

    In a form that is its default button. Raises ButtonUnclear when several buttons without a form
    may be meant.
    """
    elements = [other.element for other in others if other.frame is field.frame]
    found = await ask_handle(field.element, "sendingButton", elements)
    button = (await found.evaluate_handle("found => found.button")).as_element()
    choices: list[str] = await found.evaluate("found => found.choices")
    if button is None and choices:
        raise ButtonUnclear(
            f"no form is around field {field.name!r}, and several buttons may send it: "
            f"{named(choices)}; name one in `button`"
        )
    return button


async def press(button: ElementHandle) -> None:
    """Press a button with the mouse, or by script if it is hidden. Raises ElementUnusable."""
    what = f"the button {await ask(button, 'nameOfButton')!r} ({await ask(button, 'tagOf')})"
    if await ask(button, "hiddenBecause") is None or await ask(button, "isDisabled"):
        await click(button, what)
    else:
        await button.evaluate("button => button.click()")


async def _pressed(
    frames: Sequence[Frame], name: str, field: Field | None, *, within_s: float
) -> ElementHandle | None:
    """Press the button as soon as it is there; None if it does not appear."""
    clock = asyncio.get_running_loop().time
    end = clock() + within_s
    while True:
        try:
            if button := await _named(frames, name, field):
                await press(button)
                return button
        except Error as error:  # replaced while it was looked for
            if not is_passing(error):
                raise
        if clock() >= end:
            return None
        await asyncio.sleep(POLL_S)


async def _named(frames: Sequence[Frame], name: str, field: Field | None) -> ElementHandle | None:
    for frame in (one for one in frames if not one.is_detached()):
        for found in (
            frame.get_by_role("button", name=name, exact=True),
            frame.locator(f"css={name}"),
            frame.get_by_role("link", name=name, exact=True),
            frame.get_by_text(name, exact=True),
        ):
            if button := await _first(found, field):
                return button
    similar = [
        button
        for frame in frames
        for button in await frame.get_by_role("button", name=name).element_handles()
    ]
    return similar[0] if len(similar) == 1 else None


async def _first(found: Locator, field: Field | None) -> ElementHandle | None:
    """The first visible one, of the field's form if there is one there."""
    try:
        handles = (await found.element_handles())[:_MOST]
    except Error as cause:
        if is_selector_fault(cause):
            return None  # a text that is no selector
        raise
    near = (
        field.element
        if field and handles and field.frame is await handles[0].owner_frame()
        else None
    )
    ranks = [await ask(handle, "rankOfButton", near) for handle in handles]
    return handles[ranks.index(min(ranks))] if ranks else None


async def _texts(frame: Frame) -> list[str]:
    try:
        return list(await ask(frame, "namesOfButtons"))
    except Error:
        return []
