"""Finding the fields of a form by the names that people use, and filling each as its kind wants."""

from dataclasses import dataclass
from typing import Annotated

from playwright.async_api import Error, Locator, Page

from slotgrid.function import Meta
from worker.pages.elements import selector_fault
from worker.pages.errors import ElementMissing


@dataclass(frozen=True)
class Upload:
    """A file for a file field; `content` is base64 in JSON."""

    filename: Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[^/\\]+$")]
    content: bytes
    content_type: str = "application/octet-stream"


class ValueRefused(ValueError):
    """A field of that kind cannot take the value; the message says what it takes."""


FieldValue = str | int | float | bool | list[str] | Upload

_KIND = """element => element.tagName === "INPUT" ? element.type
  : element.isContentEditable ? "text" : element.tagName.toLowerCase()"""
# The text that stands at a box, for choosing among several boxes of one name.
_CAPTION = """element => [element.value, element.labels?.[0]?.textContent?.trim()]"""


async def find_field(page: Page, name: str) -> Locator:
    """Find fields by label, then name, then placeholder, then CSS selector.

    Radio buttons and boxes of one name are found together. Raises ElementMissing.
    """
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    for found in (
        page.get_by_label(name, exact=True),
        page.locator(f'[name="{quoted}"]:not([type="hidden"])'),
        page.get_by_placeholder(name, exact=True),
    ):
        if await found.count():
            return found
    try:
        found = page.locator(f"css={name}")
        if await found.count():
            return found
    except Error as cause:
        fault = selector_fault(name, cause)
        if not isinstance(fault, ValueError):
            raise
    raise ElementMissing(f"{page.url} has no field with the label, name or selector {name!r}")


async def fill_field(page: Page, name: str, value: FieldValue) -> None:
    """Give a field its value. Raises ElementMissing, or ValueRefused."""
    found = await find_field(page, name)
    kind: str = await found.first.evaluate(_KIND)
    if kind in {"checkbox", "radio"}:
        await _tick(found, name, kind, value)
    elif kind == "select":
        await _select(found.first, name, value)
    elif kind == "file":
        if not isinstance(value, Upload):
            raise ValueRefused(f"field {name!r} takes a file: {{filename, content}}")
        await found.first.set_input_files(
            {"name": value.filename, "mimeType": value.content_type, "buffer": value.content}
        )
    elif isinstance(value, bool | list | Upload):
        raise ValueRefused(f"field {name!r} takes text, not {type(value).__name__}")
    else:
        await found.first.fill(str(value))


async def _tick(found: Locator, name: str, kind: str, value: FieldValue) -> None:
    """Tick one box by True or False, or those of a group whose values or labels are given."""
    if isinstance(value, bool):
        await found.first.set_checked(value)
        return
    if isinstance(value, Upload):
        raise ValueRefused(f"field {name!r} is a {kind}, not a file")
    wanted = {str(one) for one in value} if isinstance(value, list) else {str(value)}
    boxes = [(box, set(await box.evaluate(_CAPTION))) for box in await found.all()]
    if missing := wanted - set().union(*(captions for _, captions in boxes)):
        raise ValueRefused(f"field {name!r} has no choice {sorted(missing)}")
    for box, captions in boxes:
        if kind == "checkbox" or wanted & captions:
            await box.set_checked(bool(wanted & captions))


async def _select(found: Locator, name: str, value: FieldValue) -> None:
    """Choose options by their values or by what they show."""
    if isinstance(value, bool | Upload):
        raise ValueRefused(f"field {name!r} takes one of its choices, or a list of them")
    wanted = [str(one) for one in value] if isinstance(value, list) else [str(value)]
    choices: list[list[str]] = await found.evaluate(
        "element => [...element.options].map(option => [option.value, option.label])"
    )
    values = [next((own for own, shown in choices if one in {own, shown}), None) for one in wanted]
    if None in values:
        raise ValueRefused(
            f"field {name!r} has no choice {wanted[values.index(None)]!r}, "
            f"but {[shown for _, shown in choices]}"
        )
    await found.select_option(value=[one for one in values if one is not None])
