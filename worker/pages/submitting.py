"""Sending a filled form as a person does: by its button, or else by the Enter key."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from playwright.async_api import ElementHandle, Error, JSHandle, Page

from worker.pages.activity import QUIET_S, watch
from worker.pages.buttons import ButtonUnclear, press, press_named, sending_button
from worker.pages.errors import ElementUnusable
from worker.pages.form_controls import ask, ask_handle
from worker.pages.form_fields import Field, is_passing
from worker.pages.form_values import named
from worker.pages.reactions import SENT, Reaction

REACT_S = 3.0
"""Seconds that a page may take to begin to do something, once its button is pressed."""

_ONE_LINE = frozenset({"text", "search", "email", "tel", "url", "password", "number"})
"""Kinds of fields in which the Enter key sends a form."""


@dataclass(frozen=True)
class Refusal:
    """A field that the browser itself refuses; `names` are all that it may be called."""

    name: str
    names: list[str]
    words: str


@dataclass(frozen=True)
class Sent:
    """What followed. `invalid` has the fields because of which the browser sent nothing.

    `settled` is false if the page was still busy at the end of the time for that.
    """

    reaction: Reaction
    invalid: list[Refusal]
    settled: bool


async def send(
    page: Page,
    fields: Sequence[Field],
    values: Sequence[str],
    button: str | None,
    *,
    at_most_s: float,
    quiet_s: float = QUIET_S,
) -> Sent:
    """Send the form of `fields`, and wait until what follows has ended, `at_most_s`.

    It has ended when no request has moved for `quiet_s`: a page that moves on by script, later than
    that, is not followed.

    Presses the button that has the text or selector `button`; else the form's default button, or
    without a form the nearest one that says that it sends; else the Enter key. `values` are what
    the fields hold. Raises ElementMissing, ButtonUnclear, ElementUnusable, PageUnreachable.
    """
    last = fields[-1]
    async with Reaction(page, last.frame, values) as reaction, watch(page) as activity:
        sending = await ask_handle(last.element, "watchSending")
        pressed = await _press(fields, button)
        settled = await activity.quiet(at_most_s=at_most_s, quiet_s=quiet_s)
        invalid: list[Refusal] = []
        if not await _was_sent(sending, reaction):
            submitted = await _was_submitted(sending)
            if pressed is None and not submitted and reaction.followed is None:
                # Enter sends no form that has several fields and no button.
                await ask(last.element, "requestSubmit")
                submitted = await _was_submitted(sending)
            if not submitted:
                invalid = await _refused(last, pressed)
            if not invalid and await reaction.within(REACT_S):
                settled = await activity.quiet(at_most_s=at_most_s, quiet_s=quiet_s)
            await _was_sent(sending, reaction)
        settled = await reaction.loaded(at_most_s=at_most_s) and settled
    if pressed is None and last.form < 0 and reaction.followed is None:
        raise _without_button(last)
    return Sent(reaction, invalid, settled)


async def _press(fields: Sequence[Field], name: str | None) -> ElementHandle | None:
    """Press the button, or the Enter key; return the button."""
    last = fields[-1]
    if name is not None:
        return await press_named(name, last)
    if button := await sending_button(last, fields):
        try:
            await press(button)
        except ElementUnusable as error:
            refused = named(one.name for one in await _refused(last, button))
            why = f"; the browser does not accept {refused}" if refused else ""
            raise ElementUnusable(f"{error}{why}") from error
        return button
    typed = [field for field in fields if field.kind in _ONE_LINE]
    if typed:
        await typed[-1].element.press("Enter", no_wait_after=True)
    elif last.form < 0:
        raise _without_button(last)
    return None


def _without_button(field: Field) -> ButtonUnclear:
    return ButtonUnclear(
        f"no form is around field {field.name!r}, the page has no button that may send it, and the "
        "Enter key did nothing: name in `button` what sends it"
    )


async def _was_sent(sending: JSHandle, reaction: Reaction) -> bool:
    """Whether anything was sent so far, messages into WebSockets included."""
    with suppress(Error):  # the document is gone, so another one follows
        reaction.carried(await sending.evaluate("seen => seen.messages"))
    await reaction.compare()
    return reaction.followed in SENT


async def _was_submitted(sending: JSHandle) -> bool:
    """Whether the form was handed to the page's scripts, or sent, as the browser found it valid."""
    try:
        return bool(await sending.evaluate("seen => seen.submits"))
    except Error:
        return True  # the document is gone


async def _refused(field: Field, button: ElementHandle | None) -> list[Refusal]:
    """The fields of the form that the browser refuses."""
    try:
        found = await ask(field.element, "refusedFields", button)
    except Error as error:
        if not is_passing(error):
            raise
        return []
    return [Refusal(**one) for one in found]
