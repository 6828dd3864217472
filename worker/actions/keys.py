"""Names of keys, and typing at the pace of a person."""

import asyncio
import difflib
import random
from typing import Annotated, Literal

from playwright.async_api import Error, Page

from slotgrid.function import Meta
from worker.actions.errors import ActionFailed
from worker.actions.faults import short

Modifier = Literal["alt", "ctrl", "meta", "shift"]
Modifiers = Annotated[
    list[Modifier], Meta(max_length=4, description="Keys that are held: alt, ctrl, meta, shift")
]

PLAYWRIGHT_MODIFIERS: dict[str, Literal["Alt", "Control", "Meta", "Shift"]] = {
    "alt": "Alt",
    "ctrl": "Control",
    "meta": "Meta",
    "shift": "Shift",
}
_ALIASES = {
    "control": "Control",
    "cmd": "Meta",
    "command": "Meta",
    "win": "Meta",
    "option": "Alt",
    "return": "Enter",
    "esc": "Escape",
    "del": "Delete",
    "ins": "Insert",
    "space": " ",
    "spacebar": " ",
    "up": "ArrowUp",
    "down": "ArrowDown",
    "left": "ArrowLeft",
    "right": "ArrowRight",
    "pgup": "PageUp",
    "pgdn": "PageDown",
    "plus": "+",
    **PLAYWRIGHT_MODIFIERS,
}
_NAMED = (
    *("Enter", "Tab", "Escape", "Backspace", "Delete", "Insert", "Home", "End", "PageUp"),
    *("PageDown", "ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight", "CapsLock", "ContextMenu"),
    *(f"F{number}" for number in range(1, 13)),
)
_KEYS = {name.lower(): name for name in _NAMED} | _ALIASES
LETTERS_A_WORD = 5
"""As words per minute are counted."""
_JITTER = 0.35
"""The part by which the time between two keys differs, so that a page sees no machine."""


def chord(key: str, modifiers: list[Modifier]) -> str:
    """The key with its modifiers, as Playwright writes it: `Control+Shift+A`."""
    *held, last = _parts(key)
    names: list[str] = [PLAYWRIGHT_MODIFIERS[one] for one in modifiers]
    names += [_KEYS.get(one.lower(), one) for one in held]
    name = last if len(last) == 1 else _KEYS.get(last.lower(), last)
    if len(name) == 1 and names:  # `Control+A` is no shifted A
        name = name.upper() if "Shift" in names else name.lower()
    return "+".join([*dict.fromkeys(names), name])


async def press_key(page: Page, key: str) -> None:
    """Press a chord in the element that has the focus. Raises ActionFailed for an unknown key."""
    try:
        await page.keyboard.press(key)
    except Error as cause:
        if "Unknown key" not in cause.message:
            raise
        if len(key) == 1:  # a letter that is on no US keyboard
            await page.keyboard.insert_text(key)
            return
        name = key.rpartition("+")[2] or key
        near = difflib.get_close_matches(name, _NAMED, n=1)
        meant = f", did you mean {near[0]!r}?" if near else ": see `press` for the names"
        raise ActionFailed(f"there is no key {name!r}{meant} ({short(cause)})") from cause


async def type_keys(page: Page, text: str, *, delay_s: float, wpm: float | None) -> None:
    """Type the text key by key, with pauses of `delay_s`, or at so many words per minute."""
    if wpm is None:
        await page.keyboard.type(text, delay=delay_s * 1000)
        return
    pause_s = 60 / (wpm * LETTERS_A_WORD)
    for letter in text:
        await page.keyboard.type(letter)
        await asyncio.sleep(pause_s * random.uniform(1 - _JITTER, 1 + _JITTER))  # noqa: S311  no secret


def _parts(key: str) -> list[str]:
    """The names between the plus signs; the key + itself may be the last."""
    if key == "+" or key.endswith("++"):
        return [*(one for one in key[:-1].split("+") if one), "+"]
    return [one for one in key.split("+") if one] or [key]
