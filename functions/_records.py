"""Reading records out of a page, in one visit to its script world."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from playwright.async_api import Error, Page

from slotgrid.function import Meta
from worker.pages.elements import selector_fault
from worker.pages.inputs import Selector

Value = str | list[str] | None
Record = dict[str, Value]

_READ = """([item, rules]) => {
  const value = (element, attribute) => {
    if (attribute === null) return element.textContent.replace(/\\s+/g, " ").trim();
    const given = element.getAttribute(attribute);
    const relative = given !== null && ["href", "src", "action"].includes(attribute);
    return relative && URL.canParse(given, document.baseURI)
      ? new URL(given, document.baseURI).href : given;
  };
  return [...document.querySelectorAll(item)].map(one => Object.fromEntries(
    Object.entries(rules).map(([name, { selector, attribute, all }]) => {
      const found = selector === null ? [one] : [...one.querySelectorAll(selector)];
      const values = found.map(element => value(element, attribute));
      return [name, all ? values.filter(each => each !== null) : values[0] ?? null];
    })));
}"""


@dataclass(frozen=True)
class Field:
    """One field of a record: the text of an element inside the item, or an attribute of it."""

    selector: Annotated[
        Selector | None, Meta(description="Inside the item; without one, the item itself")
    ] = None
    attribute: Annotated[
        str | None, Meta(description="For example href; addresses are made absolute")
    ] = None
    all: Annotated[bool, Meta(description="All matches as a list, not the first alone")] = False


async def read_records(page: Page, item: str, fields: Mapping[str, Field | str]) -> list[Record]:
    """Return a record for each element that `item` matches; what is missing is None.

    Raises ValueError for a selector that the browser cannot read.
    """
    rules: dict[str, Any] = {
        name: asdict(Field(field) if isinstance(field, str) else field)
        for name, field in fields.items()
    }
    try:
        records: list[Record] = await page.evaluate(_READ, [item, rules])
    except Error as cause:
        given = [item, *(rule["selector"] for rule in rules.values())]
        wrong = next((one for one in given if one and f"'{one}'" in cause.message), item)
        raise selector_fault(wrong, cause) from cause
    return records
