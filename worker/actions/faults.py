"""Failures of Playwright and of the pages in a sentence: what failed, why, and what to do."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.async_api import Error
from playwright.async_api import TimeoutError as PageTimeout

from worker.actions.errors import ActionFailed, StepTimeout
from worker.pages.elements import is_selector_fault
from worker.pages.errors import (
    ElementMissing,
    ElementUnusable,
    PageUnreachable,
    PictureFailed,
    PrintFailed,
)

_COVER = re.compile(r"(<.+?>).* intercepts pointer events")
_OBSTACLES = (
    ("element is not enabled", "is disabled"),
    ("option being selected is not enabled", "has that option disabled"),
    ("element is not editable", "is read-only"),
    ("element is not stable", "keeps moving"),
    ("element is outside of the viewport", "cannot be scrolled into view"),
    ("element is not visible", "is hidden"),
    ("element was detached", "was replaced by the page again and again"),
)
"""What Playwright's log of a call says of an element that it waits for, and our words."""
_KNOWN = (
    ("Element is not an <input>", "takes no text: it is no field"),
    ("Element is not a <select>", "is no <select>: click it, and then the option that it shows"),
    ("Not a checkbox or radio button", "is no checkbox and no radio button"),
    ("Cannot uncheck radio button", "is a radio button, which only another choice clears"),
    ("Clicking the checkbox did not change its state", "kept its state when it was clicked"),
    ("Non-multiple file input", "takes only one file"),
    ("Cannot type text into input[type=number]", "takes only a number"),
    ("Malformed value", "does not take such a value"),
    ("Target page, context or browser has been closed", "is gone: its tab was closed meanwhile"),
)
_CALL = re.compile(r"^(?:\w+\.\w+: )+(?:Error: )?")
_COVER_CHARS = 200
SENTENCES = (PageUnreachable, ElementMissing, ElementUnusable, PictureFailed, PrintFailed)
"""Failures of pages whose message is a sentence already."""


@contextmanager
def in_words(what: str) -> Iterator[None]:
    """Raise failures of the block as ActionFailed; `what` names the element or the deed."""
    try:
        yield
    except PageTimeout as cause:
        raise StepTimeout(f"{what} {obstacle(cause)}") from cause
    except SENTENCES as cause:
        raise ActionFailed(str(cause)) from cause
    except Error as cause:
        raise ActionFailed(f"{what} {_reason(cause)}") from cause


def obstacle(error: PageTimeout) -> str:
    """Why an element did not take an input in time, from Playwright's log of the call."""
    if found := _COVER.search(error.message):
        return f"is covered by {found[1][:_COVER_CHARS]}: dismiss that first"
    for sign, words in _OBSTACLES:
        if sign in error.message:
            return words
    return "did not react in time"


def short(error: Error) -> str:
    """The first line of Playwright's error, without the name of its method."""
    return _CALL.sub("", (error.message.strip().splitlines() or ["Playwright failed"])[0])


def selector_fault(what: str, error: Error) -> ActionFailed | None:
    """The failure for a selector that cannot be read; None for any other error."""
    if not is_selector_fault(error):
        return None
    return ActionFailed(
        f"{what} cannot be read: give CSS, XPath, or a selector of Playwright's, such as "
        f"'text=Save' ({short(error)})"
    )


def _reason(error: Error) -> str:
    for sign, words in _KNOWN:
        if sign in error.message:
            return words
    return f"failed: {short(error)}"
