"""Reading records out of a page: an element for each, and rules for its fields."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import msgspec
from playwright.async_api import JSHandle, Page

from slotgrid.function import InputRefused, Meta
from worker.pages.attributes import ATTRIBUTES
from worker.pages.errors import ElementMissing
from worker.pages.inputs import Selector
from worker.pages.matching import on_matches
from worker.pages.visible_text import READER

Value = str | list[str] | None
Record = dict[str, Value]


# A struct, as a dataclass would ignore an unknown name.
class Field(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One field of a record: the text of an element inside the item, or an attribute of it."""

    selector: Annotated[
        Selector | None,
        Meta(description="CSS selector inside the item; without one, or `:scope`, the item itself"),
    ] = None
    attribute: Annotated[
        str | None,
        Meta(description="For example href; addresses are absolute, values of form fields current"),
    ] = None
    all: Annotated[bool, Meta(description="All matches as a list, not the first alone")] = False


class Reading(Field, frozen=True, forbid_unknown_fields=True):
    """A field that may also be the HTML inside its element, or a record of its own."""

    html: bool = False
    fields: Mapping[str, "Reading"] | None = None


# `matches` holds the elements of each selector on a page with shadow roots: without it, such a page
# answers `{ pierce: true }`. `seen` holds what a growing page has shown so far.
_READ = f"""([item, rules, matches, seen, finish, scope, most]) => {{
  const reader = ({READER})();
  const escaped = name => name.replaceAll("~", "~0").replaceAll("/", "~1");
  const selectorsOf = (rules, at) => Object.entries(rules).flatMap(([name, rule]) => [
    [`${{at}}/${{escaped(name)}}`, rule.selector],
    ...selectorsOf(rule.fields ?? {{}}, `${{at}}/${{escaped(name)}}/fields`)]);
  for (const [name, selector] of
      [["scope", scope], ["item", item], ...selectorsOf(rules, "fields")])
    try {{ document.createDocumentFragment().querySelector(selector ?? "*"); }}
    catch {{ return {{ fault: name, selector }}; }}
  if (matches === null && reader.shadowRoots().length > 0) return {{ pierce: true }};
  const attributeOf = ({ATTRIBUTES})();
  const parentOf = element => element.parentElement ?? element.parentNode?.host ?? null;
  let order = null;
  const inOrder = elements => {{
    if (order === null) {{
      order = new Map();
      const count = root => {{
        for (const element of root.querySelectorAll("*")) {{
          order.set(element, order.size);
          if (element.shadowRoot) count(element.shadowRoot);
        }}
      }};
      count(document);
    }}
    return elements.sort((one, other) => order.get(one) - order.get(other));
  }};
  const every = selector => matches === null
    ? [...document.querySelectorAll(selector)]
    : inOrder([...matches.get(selector)]);
  const isInside = (one, outer) => {{
    while (one !== null && one !== outer) one = parentOf(one);
    return one === outer;
  }};
  const within = scope === null ? null : every(scope)[0];
  if (within === undefined) return {{ missing: scope }};
  const found = item === null ? [within ?? document.documentElement]
    : every(item).filter(one => within === null || isInside(one, within));
  const items = most === null ? found : found.slice(0, most);

  // On a page with shadow roots: the matches of a selector by the items that they are in.
  const grouped = new Map();
  const groupOf = selector => {{
    let groups = grouped.get(selector);
    if (groups === undefined) {{
      groups = new Map(items.map(one => [one, []]));
      for (const element of every(selector))
        for (let outer = parentOf(element); outer !== null; outer = parentOf(outer))
          groups.get(outer)?.push(element);
      grouped.set(selector, groups);
    }}
    return groups;
  }};
  const matchesIn = (one, selector) => {{
    if (selector === null) return [one];
    if (!selector.includes(":scope"))
      return matches === null ? one.querySelectorAll(selector)
        : groupOf(selector).get(one) ??
          every(selector).filter(inner => inner !== one && isInside(inner, one));
    return [...one.matches(selector) ? [one] : [], ...one.querySelectorAll(selector),
      ...one.shadowRoot?.querySelectorAll(selector) ?? []];
  }};
  const valueOf = (element, {{ attribute, html, fields }}) => {{
    if (fields) return recordOf(element, fields);
    if (html) return reader.wellFormed(element.innerHTML);
    if (attribute === null) return reader.line(element);
    const value = attributeOf(element, attribute);
    return value === null ? null : reader.wellFormed(value);
  }};
  const recordOf = (one, own = rules) => Object.fromEntries(
    Object.entries(own).map(([name, rule]) => {{
      const found = matchesIn(one, rule.selector);
      if (!rule.all) return [name, found.length > 0 ? valueOf(found[0], rule) : null];
      const values = Array.from(found, each => valueOf(each, rule));
      return [name, values.filter(each => each !== null)];
    }}));
  const listed = () => items.map(one => recordOf(one));
  if (seen === null) return {{ records: listed(), count: found.length }};

  // A virtual list takes rows away when they are out of sight, or gives their elements new texts.
  // A text that changes in place (a clock) is no new row.
  const placeOf = element => {{
    let place = element.getBoundingClientRect().top;
    for (let one = parentOf(element); one !== null; one = parentOf(one)) place += one.scrollTop;
    return place;
  }};
  const counts = new Map();
  for (const element of items) {{
    const text = element.textContent;
    const place = placeOf(element);
    let entry = seen.current.get(element);
    if (entry === undefined || (entry.text !== text && Math.abs(entry.place - place) > 1)) {{
      const record = recordOf(element);
      entry = {{ element, record, key: JSON.stringify(record) }};
      seen.current.set(element, entry);
      seen.entries.push(entry);
    }}
    Object.assign(entry, {{ text, place }});
    counts.set(entry.key, (counts.get(entry.key) ?? 0) + 1);
  }}
  for (const [key, count] of counts)
    seen.counts.set(key, Math.max(count, seen.counts.get(key) ?? 0));
  if (!finish) return {{ records: [], count: seen.entries.length }};

  const isHere = entry => entry.element.isConnected && seen.current.get(entry.element) === entry;
  if (seen.entries.every(isHere)) return {{ records: listed() }};
  // As often as the page has shown a record at once: a row that comes back is not a second one.
  const left = new Map(seen.counts);
  const kept = seen.entries.filter(({{ key }}) => {{
    left.set(key, left.get(key) - 1);
    return left.get(key) >= 0;
  }});
  return {{ records: kept.map(entry => isHere(entry) ? recordOf(entry.element) : entry.record) }};
}}"""

_KEEP = "(elements, [matches, selector]) => { matches.set(selector, elements); }"
_SEEN = "() => ({ entries: [], current: new Map(), counts: new Map() })"


class RecordReader:
    """Reads records of one document: one for each element that `item` matches.

    Selectors are CSS, and reach into open shadow roots. A field is None when nothing matches.
    `scope` is the selector of the part of the page that is read, its first match. All methods raise
    InputRefused for a selector that the browser cannot read, by its field.
    """

    def __init__(
        self,
        page: Page,
        item: str | None,
        fields: Mapping[str, Field | str],
        *,
        scope: str | None = None,
    ) -> None:
        self._page = page
        self._item = item
        self._scope = scope
        self._rules = _rules(fields)
        self._seen: JSHandle | None = None

    async def read(self) -> list[Record]:
        """Return the records that the page shows now, in its order."""
        records, _ = await self.read_first(None)
        return records

    async def read_first(self, most: int | None) -> tuple[list[Record], int]:
        """Return the first `most` records that the page shows now, and how many it has.

        Without an item, it is one record of the page or its scope. Raises ElementMissing when
        nothing matches the scope.
        """
        answer = await self._evaluate(None, finish=False, most=most)
        return answer["records"], answer["count"]

    async def note(self) -> int:
        """Note what a growing page shows now; return how many records it has shown so far."""
        count: int = (await self._evaluate(await self._notes(), finish=False))["count"]
        return count

    async def noted(self) -> list[Record]:
        """Return the records that the page has shown since the first `note`, each once."""
        records: list[Record] = (await self._evaluate(await self._notes(), finish=True))["records"]
        return records

    async def _notes(self) -> JSHandle:
        if self._seen is None:
            self._seen = await self._page.evaluate_handle(_SEEN)
        return self._seen

    async def _evaluate(
        self, seen: JSHandle | None, *, finish: bool, most: int | None = None
    ) -> dict[str, Any]:
        given = [self._item, self._rules, None, seen, finish, self._scope, most]
        answer: dict[str, Any] = await self._page.evaluate(_READ, given)
        if answer.get("pierce"):
            given[2] = await self._matches()
            answer = await self._page.evaluate(_READ, given)
        if "missing" in answer:
            raise ElementMissing(f"{self._page.url} has no element that matches {self._scope!r}")
        if "fault" in answer:
            raise InputRefused(answer["fault"], explain_selector(answer["selector"]))
        return answer

    async def _matches(self) -> JSHandle:
        """Return the elements of each selector, found across shadow roots."""
        matches = await self._page.evaluate_handle("() => new Map()")
        for selector in {self._item, self._scope, *_selectors(self._rules)}:
            if selector is None or ":scope" in selector:
                continue
            await on_matches(self._page, selector, _KEEP, [matches, selector])
        return matches


def _rules(fields: Mapping[str, Field | str]) -> dict[str, Any]:
    """The fields as the script takes them."""
    rules: dict[str, Any] = {}
    for name, field in fields.items():
        rule = msgspec.structs.asdict(Field(field) if isinstance(field, str) else field)
        rules[name] = {**rule, "fields": _rules(rule["fields"]) if rule.get("fields") else None}
    return rules


def _selectors(rules: Mapping[str, Any]) -> Iterator[str | None]:
    for rule in rules.values():
        yield rule["selector"]
        yield from _selectors(rule["fields"] or {})


def explain_selector(selector: str) -> str:
    """Return why `selector` cannot be read, and what is expected instead."""
    message = f"{selector!r} is not a valid selector"
    if selector.startswith(("/", "./", "../", "(", "xpath=")):
        return f"{message}: XPath is not supported, use CSS"
    if selector.startswith(("css=", "text=", "role=", "id=")) or ":has-text(" in selector:
        return f"{message}: use CSS without Playwright's additions"
    return message


async def read_records(page: Page, item: str, fields: Mapping[str, Field | str]) -> list[Record]:
    """Return a record for each element that `item` matches; what is missing is None.

    Raises InputRefused for a selector that the browser cannot read, by its field.
    """
    return await RecordReader(page, item, fields).read()
