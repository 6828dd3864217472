"""Fields of a page: what they hold, where the caret is, and choices that do not take a click."""

from typing import Any

from playwright.async_api import ElementHandle, Error, Locator, Page

# Null for a password, and for an element that holds no text.
_VALUE = """given => {
  const element = given.localName === "label" ? given.control ?? given : given;
  const isField = ["input", "textarea", "select"].includes(element.localName);
  if (element.localName === "input" && element.type === "password") return null;
  if (isField) return element.value;
  return element.isContentEditable ? element.innerText : null;
}"""
_TO_END = """given => {
  const element = given.localName === "label" ? given.control ?? given : given;
  element.focus();
  if (element.isContentEditable) {
    const range = document.createRange();
    range.selectNodeContents(element);
    range.collapse(false);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
  } else if ("value" in element && "setSelectionRange" in element) {
    // Of fields for e-mail and numbers, the caret cannot be set; Chromium puts it at the end.
    try { element.setSelectionRange(element.value.length, element.value.length); } catch {}
  }
  return element.matches(":focus, :focus-within");
}"""
_SELECT_ALL = """element => {
  if ("select" in element) element.select();
  else if (element.isContentEditable) getSelection().selectAllChildren(element);
}"""
# The element that has the focus, also in shadow roots; null if it is the body.
_FOCUSED = """() => {
  let one = document.activeElement;
  while (one?.shadowRoot?.activeElement) one = one.shadowRoot.activeElement;
  return one === null || (one === document.body && !one.isContentEditable) ? null : one;
}"""
_OPTIONS = """element => [...element.options].slice(0, 30).map(one => one.label)"""
_SHOWN_LABEL = """element => [...element.labels ?? []].find(one => one.checkVisibility()) ?? null"""
_IS_FILE_INPUT = """element => {
  const control = element.localName === "label" ? element.control : element;
  return control?.localName === "input" && control.type === "file";
}"""


async def value_of(element: ElementHandle) -> str | None:
    """The field's present value; None for a password, for other elements, and if it is gone."""
    try:
        value: str | None = await element.evaluate(_VALUE)
    except Error:
        return None
    return value


async def focused(page: Page) -> ElementHandle | None:
    """The element that has the focus, also in frames and open shadow roots."""
    frame = page.main_frame
    while True:
        element = (await frame.evaluate_handle(_FOCUSED)).as_element()
        inner = await element.content_frame() if element is not None else None
        if inner is None:
            return element
        frame = inner


async def caret_to_end(element: Locator | ElementHandle) -> bool:
    """Give the element the focus, with the caret behind what it holds; False if it takes none."""
    has_focus: bool = await element.evaluate(_TO_END)
    return has_focus


async def select_all(element: Locator | ElementHandle) -> None:
    """Select what the element holds, so that a key replaces it."""
    await element.evaluate(_SELECT_ALL)


async def options_of(element: Locator) -> list[str]:
    """The labels of a select's first options."""
    labels: list[str] = await element.evaluate(_OPTIONS)
    return labels


async def shown_label(element: Locator) -> ElementHandle | None:
    """A label of a field that can be seen, for a field that cannot."""
    found: Any = await element.evaluate_handle(_SHOWN_LABEL)
    return found.as_element()  # type: ignore[no-any-return]


async def is_file_input(element: Locator) -> bool:
    """Whether files can be put into the element itself, or into the one that it is a label of."""
    found: bool = await element.evaluate(_IS_FILE_INPUT)
    return found
