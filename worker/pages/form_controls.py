"""Calls into the script about a form's controls (`form_*.js`), which runs in the page."""

from pathlib import Path
from typing import Any

from playwright.async_api import ElementHandle, Frame, JSHandle

_FILES = ("form_controls.js", "form_states.js", "form_sending.js")
_LIBRARY = "\n".join(Path(__file__).with_name(name).read_text(encoding="utf-8") for name in _FILES)


def _script(function: str, parameters: str) -> str:
    return f"({parameters}) => {{\n{_LIBRARY}\nreturn {function}({parameters});\n}}"


async def ask(target: Frame | ElementHandle | JSHandle, function: str, argument: Any = None) -> Any:
    """Call a function of the script and return its JSON value.

    On an element the function gets the element first, and then `argument`.
    """
    return await target.evaluate(_script(function, _parameters(target)), argument)


async def ask_handle(
    target: Frame | ElementHandle, function: str, argument: Any = None
) -> JSHandle:
    """Like `ask`, for a value with elements in it."""
    return await target.evaluate_handle(_script(function, _parameters(target)), argument)


async def elements_of(found: JSHandle) -> list[ElementHandle]:
    """The elements of a returned `{elements, ...}`."""
    listed = await found.evaluate_handle("found => found.elements")
    handles = (await listed.get_properties()).values()
    return [element for handle in handles if (element := handle.as_element()) is not None]


def _parameters(target: Frame | ElementHandle | JSHandle) -> str:
    return "argument" if isinstance(target, Frame) else "element, argument"
