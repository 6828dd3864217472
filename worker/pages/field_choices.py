"""Ticking boxes and radio buttons, and choosing from lists."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from playwright.async_api import ElementHandle
from playwright.async_api import TimeoutError as PageTimeout

from worker.pages.errors import ElementUnusable
from worker.pages.form_controls import ask, ask_handle, elements_of
from worker.pages.form_fields import FIELD_S, POLL_S, Field
from worker.pages.form_values import ValueRefused, named
from worker.pages.obstacles import reason, until_free, until_usable

_ON = frozenset({"true", "on", "yes", "1"})
_OFF = frozenset({"false", "off", "no", "0"})
_OPTIONS = """list => [...list.options].map(option => ({
  value: option.value, label: option.label.replace(/\\s+/g, " ").trim(), selected: option.selected,
  disabled: option.disabled || Boolean(option.parentElement.disabled)}))"""
_IS_TICKED = """box => box.getAttribute("aria-checked") === "true" || box.checked === true"""


async def tick(field: Field, value: bool | Sequence[str]) -> None:
    """Tick one box by a bool, or the boxes of a group whose values or labels are given.

    Boxes of the group that are not given are cleared. Raises ValueRefused, ElementUnusable.
    """
    found = await ask_handle(field.element, "groupOf")
    boxes = await elements_of(found)
    facts: list[dict[str, Any]] = await found.evaluate("found => found.facts")
    own = next(place for place, fact in enumerate(facts) if fact["own"])
    choices = named(fact["label"] for fact in facts)
    if not isinstance(value, bool) and len(boxes) == 1 and "radio" not in field.kind:
        value = _as_bool(field, value, facts[0]["captions"])
    if isinstance(value, bool):
        # Named by the group's name or caption, a single answer leaves open which box it means.
        if len(boxes) > 1 and field.rank in {2, 3}:
            raise ValueRefused(f"field {field.name!r} takes one or several of {choices}")
        if "radio" in field.kind and not value:
            raise ValueRefused(f"field {field.name!r} takes one of {choices}: choose another one")
        await _set(field, boxes[own], value)
        return
    if "radio" in field.kind and len(value) != 1:
        raise ValueRefused(f"field {field.name!r} takes one of {choices}, not {len(value)}")
    chosen = {_place(field, wanted, [fact["captions"] for fact in facts]) for wanted in value}
    for place, box in enumerate(boxes):
        if place in chosen or "checkbox" in field.kind:
            await _set(field, box, place in chosen)


async def choose(field: Field, wanted: Sequence[str]) -> None:
    """Choose from a list by the options' values or texts; waits `FIELD_S` for them to appear.

    Raises ValueRefused with the choices, ElementUnusable.
    """
    if len(wanted) != 1 and not field.multiple:
        raise ValueRefused(f"field {field.name!r} takes one choice, not {len(wanted)}")
    await until_usable(field)
    places = await _options_for(field, wanted)
    try:
        await field.element.select_option(
            index=places, force=field.visibility < 2, timeout=FIELD_S * 1000
        )
    except PageTimeout as cause:
        why = await reason(field.element, cause)
        raise ElementUnusable(f"field {field.name!r} ({field.tag}) {why}") from cause
    options = await field.element.evaluate(_OPTIONS)
    selected = [option["label"] for option in options if option["selected"]]
    if missing := await unchosen(field, wanted):
        raise ValueRefused(
            f"field {field.name!r} did not keep the choice {missing!r}: it shows {selected}"
        )


async def unchosen(field: Field, wanted: Sequence[str]) -> str | None:
    """The first of the choices that the list does not have selected now."""
    options = await field.element.evaluate(_OPTIONS)
    held = [text for one in options if one["selected"] for text in (one["value"], one["label"])]
    loose = {text.casefold() for text in held}
    return next((one for one in wanted if one.casefold() not in loose), None)


async def _options_for(field: Field, wanted: Sequence[str]) -> list[int]:
    clock = asyncio.get_running_loop().time
    end = clock() + FIELD_S
    while True:
        options = await field.element.evaluate(_OPTIONS)
        try:
            return [_option(field, one, options) for one in wanted]
        except ValueRefused:
            if clock() >= end:
                raise
        await asyncio.sleep(POLL_S)


def _option(field: Field, wanted: str, options: Sequence[Mapping[str, Any]]) -> int:
    place = _place(field, wanted, [[option["value"], option["label"]] for option in options])
    if options[place]["disabled"]:
        raise ValueRefused(f"choice {wanted!r} of field {field.name!r} is disabled")
    return place


def _place(field: Field, wanted: str, captions: Sequence[Sequence[str]]) -> int:
    """The first choice that is called `wanted`, or is but for its case. Raises ValueRefused."""
    tidy = " ".join(wanted.split())
    for same in (
        lambda caption: caption == wanted,
        lambda caption: " ".join(caption.split()) == tidy,
        lambda caption: " ".join(caption.split()).casefold() == tidy.casefold(),
    ):
        for place, texts in enumerate(captions):
            if any(same(text) for text in texts):
                return place
    shown = named(texts[1] if len(texts) > 1 else texts[0] for texts in captions)
    raise ValueRefused(f"field {field.name!r} has no choice {wanted!r}, but {shown}")


def _as_bool(field: Field, value: Sequence[str], captions: Sequence[str]) -> bool:
    """Whether a lone box is to be ticked, by its value or label or a word for yes or no."""
    if not value:
        return False
    text = value[0]
    if len(value) == 1 and (text in captions or text.casefold() in _ON):
        return True
    if len(value) == 1 and text.casefold() in _OFF:
        return False
    raise ValueRefused(
        f"field {field.name!r} is a box: it takes true or false, and has no choice "
        f"{[one for one in value if one not in captions]}"
    )


async def _set(field: Field, box: ElementHandle, on: bool) -> None:
    """Set a box or radio button as a person does, or through its label if only that is seen."""
    if await box.evaluate(_IS_TICKED) == on:
        return
    await until_usable(field)
    if await ask(box, "hiddenBecause") is None and not await ask(box, "isUnderLabel"):
        await until_free(box, f"field {field.name!r} ({field.tag})")
        try:
            await box.click(timeout=FIELD_S * 1000)
        except PageTimeout as cause:
            if await ask(box, "coverOf"):
                why = await reason(box, cause)
                raise ElementUnusable(f"field {field.name!r} ({field.tag}) {why}") from cause
    elif label := (await ask_handle(box, "plainLabelOf")).as_element():
        await until_free(label, f"the label of field {field.name!r} ({field.tag})")
        await label.click(timeout=FIELD_S * 1000)
    if await box.evaluate(_IS_TICKED) != on:
        await box.evaluate("box => box.click()")  # as a keyboard does; the page's handlers run
    if await box.evaluate(_IS_TICKED) != on:
        raise ValueRefused(f"field {field.name!r} did not keep its state: the page set it back")
