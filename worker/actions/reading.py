"""Reading pages: texts, HTML, elements, records, and what scripts find."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from playwright.async_api import Error

from slotgrid.core.errors import Violation
from slotgrid.function import Meta
from worker.actions.action import ParametersInvalid, action
from worker.actions.action_context import ActionContext
from worker.actions.bounds import MaxBytes, Truncated, cut_lines
from worker.actions.errors import ActionFailed
from worker.actions.extraction import ITEMS_MOST, FieldRule, Kind, extract_records
from worker.actions.faults import in_words, selector_fault, short
from worker.actions.targets import Target, find, on_target, readable, scope_of
from worker.pages.attributes import ATTRIBUTES
from worker.pages.inputs import Selector
from worker.pages.visible_text import READER

QUERY_MOST = 1000
TEXT_CHARS = 1000
"""Characters of an element's text, and of an attribute's value, in a list of elements."""

_LINES = f"element => ({READER})().lines(element)"
_PAGE_LINES = f"() => ({READER})().lines(document.body ?? document.documentElement)"
_ATTRIBUTE = f"(element, name) => ({ATTRIBUTES})()(element, name)"
_QUERY = f"""(elements, [limit, chars]) => {{
  const reader = ({READER})();
  return elements.slice(0, limit).map(element => ({{
    tag: element.localName,
    text: reader.lines(element).slice(0, chars).toWellFormed(),
    attributes: Object.fromEntries([...element.attributes].map(one =>
      [one.name, reader.wellFormed(one.value.slice(0, chars))])),
    visible: element.checkVisibility({{ visibilityProperty: true }}),
  }}));
}}"""
_OUTER = "element => element.outerHTML"
_INNER = "element => element.innerHTML"

RowCount = Annotated[int, Meta(ge=1, le=ITEMS_MOST)]
Matches = Annotated[int, Meta(description="How many elements match; the first visible one is read")]
Visible = Annotated[bool, Meta(description="Whether the element can be seen")]


@dataclass(frozen=True)
class Text:
    """The text of an element, or of the page."""

    text: Annotated[str, Meta(description="The text as a reader sees it, with its lines")]
    bytes: Annotated[int, Meta(description="Bytes of the whole text")]
    truncated: Truncated
    matches: Matches
    visible: Visible


@dataclass(frozen=True)
class Html:
    """The source of an element, or of the page, as it is now."""

    html: Annotated[str, Meta(description="The HTML")]
    bytes: Annotated[int, Meta(description="Bytes of all of it")]
    truncated: Truncated
    matches: Matches


@dataclass(frozen=True)
class Attribute:
    """The value of an attribute."""

    value: Annotated[str | None, Meta(description="The value; null without that attribute")]
    matches: Matches
    visible: Visible


@dataclass(frozen=True)
class Element:
    """An element that matches."""

    tag: str
    text: Annotated[str, Meta(description=f"Its text, at most {TEXT_CHARS} characters")]
    attributes: dict[str, str]
    visible: Visible


@dataclass(frozen=True)
class Elements:
    """The elements that match."""

    count: Annotated[int, Meta(description="How many match")]
    elements: list[Element]
    truncated: Annotated[bool, Meta(description="Whether more match than are listed")]


@action
@on_target(optional=True)
async def get_text(
    action: ActionContext, target: Target, *, max_bytes: MaxBytes = 1_048_576
) -> Text:
    """The text of an element, or without one of the page, as a reader sees it.

    Example:

    ```yaml
    - {action: goto, with: {url: "{{ input.site }}/catalogue/product/3"}}
    - {action: get_text, with: {selector: .price}}
    ```

    Limits:

    - A hidden element is read as if it were shown, if none that matches is visible.
    - Without an element, frames are not read: name one in `frame` with a `selector` of `body`.
    """
    page = await action.page()
    if not target.is_given:
        with in_words("the page"):
            text, matches, visible = await page.evaluate(_PAGE_LINES), 1, True
    else:
        found = await find(action, page, target, state="attached")
        matches, visible = found.matches, found.is_visible
        with in_words(found.what):
            text = await found.locator.evaluate(_LINES, timeout=target.limit_ms(action))
    kept, size = cut_lines(text, max_bytes)
    return Text(kept, size, size > max_bytes, matches, visible)


@action
@on_target(optional=True)
async def get_html(
    action: ActionContext,
    target: Target,
    *,
    part: Annotated[
        Literal["outer", "inner"], Meta(description="With the element's own tag, or without")
    ] = "outer",
    max_bytes: MaxBytes = 1_048_576,
) -> Html:
    """The HTML of an element, or without one of the page, as scripts have made it.

    Example:

    ```yaml
    - {action: goto, with: {url: "{{ input.site }}/catalogue/product/3"}}
    - {action: get_html, with: {selector: h1}}
    ```

    Limits:

    - What is in shadow roots and frames is not part of it.
    """
    page = await action.page()
    if not target.is_given:
        with in_words("the page"):
            html, matches = await page.content(), 1
    else:
        found = await find(action, page, target, state="attached")
        matches, script = found.matches, _OUTER if part == "outer" else _INNER
        with in_words(found.what):
            html = await found.locator.evaluate(script, timeout=target.limit_ms(action))
    kept, size = cut_lines(html, max_bytes)
    return Html(kept, size, size > max_bytes, matches)


@action
async def query(
    action: ActionContext,
    selector: Annotated[Selector, Meta(description="CSS, XPath, or a selector of Playwright's")],
    *,
    frame: Annotated[
        Selector | list[Selector] | None, Meta(description="Selector of an iframe to look in")
    ] = None,
    limit: Annotated[int, Meta(ge=1, le=QUERY_MOST, description="Elements to list")] = 100,
) -> Elements:
    """List the elements that match a selector now, with text and attributes. None is no error.

    Example:

    ```yaml
    - {action: goto, with: {url: "{{ input.site }}/catalogue"}}
    - {action: query, with: {selector: "li.product", limit: 3}}
    ```
    """
    page = await action.page()
    if frame is not None:
        await find(action, page, Target(selector=":root", frame=frame), state="attached")
    every = scope_of(page, frame).locator(readable(selector))
    try:
        count = await every.count()
        listed = await every.evaluate_all(_QUERY, [limit, TEXT_CHARS])
    except Error as cause:
        raise selector_fault(f"selector {selector!r}", cause) or ActionFailed(
            f"looking for {selector!r} failed: {short(cause)}"
        ) from cause
    return Elements(count, [Element(**one) for one in listed], count > limit)


@action
@on_target()
async def get_attribute(
    action: ActionContext,
    target: Target,
    attribute: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=200,
            description="Such as href: addresses are absolute, values of fields current",
        ),
    ],
) -> Attribute:
    """The value of an element's attribute.

    Example:

    ```yaml
    - {action: goto, with: {url: "{{ input.site }}/catalogue"}}
    - {action: get_attribute, with: {text: Next, attribute: href}}
    ```
    """
    page = await action.page()
    found = await find(action, page, target, state="attached")
    with in_words(found.what):
        value = await found.locator.evaluate(_ATTRIBUTE, attribute, timeout=target.limit_ms(action))
    return Attribute(value, found.matches, found.is_visible)


@action
async def extract(
    action: ActionContext,
    *,
    selector: Annotated[
        Selector | None, Meta(description="CSS of the rows; without it, one record of the page")
    ] = None,
    scope: Annotated[
        Selector | None, Meta(description="CSS of the part of the page that is looked at")
    ] = None,
    fields: Annotated[
        dict[str, FieldRule | str] | None,
        Meta(description="Rules by the names of the fields, or a CSS selector each"),
    ] = None,
    kind: Annotated[Kind, Meta(description="Without `fields`: what of a row is read")] = "text",
    limit: Annotated[RowCount | None, Meta(description="Rows to read, the first ones")] = None,
    timeout_s: Annotated[
        float, Meta(ge=0, le=3600, description="Seconds to wait for the first row")
    ] = 0,
) -> Any:
    """Read records out of the page: a list with one for each row, or without rows a single one.

    Example:

    ```yaml
    - {action: goto, with: {url: "{{ input.site }}/catalogue"}}
    - action: extract
      with:
        selector: li.product
        limit: 2
        fields:
          name: h2
          price: {selector: .price, transform: float}
          link: {selector: a, attribute: href}
          picture: {selector: img, fields: {alt: {attribute: alt}}}
          source: {const: catalogue}
    ```

    Limits:

    - A field that nothing matches is null; of a row that nothing matches, no record is made.
    - Selectors are CSS; frames are documents of their own, which are not read.
    """
    if selector is None and fields is None:
        raise ParametersInvalid("extract", [Violation("", "give `selector`, `fields`, or both")])
    page = await action.page()
    if timeout_s > 0 and selector is not None:
        rows = f"{scope} {selector}" if scope else selector
        waiting = page.locator(f"css={rows}").first
        with in_words(f"waiting for {rows!r}: the first row"):
            await waiting.wait_for(state="attached", timeout=action.limit_s(timeout_s) * 1000)
    with in_words("reading the page"):
        return await extract_records(
            page, rows=selector, scope=scope, fields=fields, kind=kind, limit=limit
        )
