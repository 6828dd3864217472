"""Putting text into a field, and comparing what the field then holds with what was asked."""

import re
from collections.abc import Mapping
from typing import Any

from playwright.async_api import Error
from playwright.async_api import TimeoutError as PageTimeout

from worker.pages.errors import ElementUnusable
from worker.pages.form_controls import ask
from worker.pages.form_fields import FIELD_S, Field, is_passing
from worker.pages.form_values import ValueRefused
from worker.pages.obstacles import until_usable

TYPED_CHARS = 1000
"""Longer texts are not typed key by key."""

_TAKES = {
    "number": "a number such as 1.5",
    "date": "a date as YYYY-MM-DD",
    "time": "a time as HH:MM or HH:MM:SS",
    "datetime-local": "a date and time as YYYY-MM-DDTHH:MM",
    "month": "a month as YYYY-MM",
    "week": "a week as YYYY-Www, such as 2026-W09",
    "color": "a colour as #rrggbb",
}
_SET = frozenset({*_TAKES, "range"} - {"number"})
"""Types whose value is set as a whole, in the browser's own format, not typed."""
_LINES = frozenset({"textarea", "editable"})
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


async def put_text(field: Field, text: str, *, secret: bool) -> str | None:
    """Put `text` into a field. Returns what it holds instead if the page only formatted it.

    Raises ValueRefused when the field would hold something else, ElementUnusable. No message shows
    a text that is `secret`.
    """
    await until_usable(field)
    wanted = await _browsers_form(field, text, secret=secret)
    await _fill(field, wanted)
    if field.kind not in _SET and len(text) <= TYPED_CHARS:
        held = await _held_by(field)
        if not _holds(held, text, wanted):
            # Some scripts that format a field follow its keys.
            await _fill(field, "")
            await _fill(field, text, by_keys=True)
    return await difference(field, text, secret=secret)


async def difference(field: Field, text: str, *, secret: bool) -> str | None:
    """What the field holds instead of `text`, None if it is that.

    Raises ValueRefused if it is not only formatted in another way.
    """
    held = await _held_by(field)
    if held == _lines(text):
        return None
    if not _holds(held, text, await _browsers_form(field, text, secret=secret)):
        given = "its value" if secret else repr(text[:200])
        instead = "something else" if secret else repr(held[:200])
        raise ValueRefused(f"field {field.name!r} was given {given}, but the page made {instead}")
    return held


async def _held_by(field: Field) -> str:
    """What the field holds now, with line feeds between lines."""
    held = _lines(str(await ask(field.element, "heldBy")))
    return held.replace("\xa0", " ").removesuffix("\n") if field.kind == "editable" else held


def _holds(held: str, text: str, wanted: str) -> bool:
    """Whether nothing of `text` is lost in `held`: its letters and digits are there, in order.

    So a page may add brackets and spaces to a telephone number, or zeros to a price.
    """
    if held in {_lines(text), wanted}:
        return True
    if letters := _letters(text):
        return letters in _letters(held)
    return text.strip() in held


async def _browsers_form(field: Field, text: str, *, secret: bool) -> str:
    """How the browser itself writes `text` in this field. Raises ValueRefused if it does not."""
    if field.kind == "editable":
        return text
    trial = await ask(field.element, "trial", text)
    if takes := _unfit(field.kind, text, trial):
        given = "" if secret or "given" in takes else f", not {text[:200]!r}"
        raise ValueRefused(f"field {field.name!r} takes {takes}{given}")
    return str(trial["kept"]) if field.kind in _SET else text


async def _fill(field: Field, text: str, *, by_keys: bool = False) -> None:
    try:
        if by_keys:
            await field.element.type(text, timeout=FIELD_S * 1000)
        else:
            await field.element.fill(text, timeout=FIELD_S * 1000)
    except PageTimeout:
        why = await ask(field.element, "obstacleOf") or "keeps changing"
        # Not chained: Playwright's message quotes the text.
        raise ElementUnusable(f"field {field.name!r} ({field.tag}) {why}") from None
    except Error as error:
        if is_passing(error) or "closed" in error.message or "crashed" in error.message:
            raise
        raise ValueRefused(f"field {field.name!r} ({field.tag}) takes no text") from None


def _unfit(kind: str, text: str, trial: Mapping[str, Any]) -> str | None:
    """What the field takes, if that is not `text`; None if it may be."""
    limit = trial["max_length"]
    if kind not in _LINES and re.search(r"[\r\n]", text):
        return "one line of text"
    if 0 <= limit < (length := len(_lines(text).encode("utf-16-le")) // 2):
        return f"at most {limit} characters, and {length} were given"
    if kind == "color" and not _COLOUR.fullmatch(text):
        return _TAKES[kind]
    if kind == "range" and not _same_number(text, trial["kept"]):
        lowest, highest = trial["min"] or "0", trial["max"] or "100"
        return f"a number from {lowest} to {highest} in steps of {trial['step'] or '1'}"
    if kind in _TAKES and text and not trial["kept"]:
        return _TAKES[kind]
    return None


def _same_number(one: str, other: str) -> bool:
    try:
        return float(one) == float(other)
    except ValueError:
        return False


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _letters(text: str) -> str:
    return "".join(char for char in text if char.isalnum()).casefold()
