"""Reading pages: texts, HTML, elements, records, and what scripts find."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from playwright.async_api import Error

from slotgrid.core.errors import Violation
from slotgrid.function import Meta
from worker.actions.action import ParametersInvalid, action
from worker.actions.action_context import ActionContext
from worker.actions.bounds import cut_lines
from worker.actions.elements_in_view import VIEWPORT_DOM, ViewportDom
from worker.actions.errors import ActionFailed, StepTimeout
from worker.actions.extraction import ITEMS_MOST, FieldRule, Kind, extract_records
from worker.actions.faults import in_words, selector_fault, short
from worker.actions.scripts import json_of, run_script, stop_scripts
from worker.actions.targets import Target, find, on_target, scope_of
from worker.pages.attributes import ATTRIBUTES
from worker.pages.inputs import Selector
from worker.pages.loading import moved_on
from worker.pages.results import Address, PageTitle
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
MaxBytes = Annotated[
    int, Meta(ge=100, le=10_485_760, description="Bytes of it, cut at the end of a line")
]
Truncated = Annotated[bool, Meta(description="Whether it was cut")]
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


@dataclass(frozen=True)
class Snapshot:
    """The page as assistive technology sees it."""

    url: Address
    title: PageTitle
    snapshot: Annotated[
        str, Meta(description="Roles, names and texts as YAML; `[ref=e12]` is for later actions")
    ]
    bytes: Annotated[int, Meta(description="Bytes of the whole snapshot")]
    truncated: Truncated


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
            text = await found.locator.evaluate(_LINES, timeout=_limit_ms(action, target))
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
            html = await found.locator.evaluate(script, timeout=_limit_ms(action, target))
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
        await find(action, page, Target(selector="html", frame=frame), state="attached")
    every = scope_of(page, frame).locator(selector)
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
        value = await found.locator.evaluate(
            _ATTRIBUTE, attribute, timeout=_limit_ms(action, target)
        )
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


@action
async def snapshot(
    action: ActionContext,
    *,
    selector: Annotated[
        Selector | None, Meta(description="The part of the page; by default all of it")
    ] = None,
    depth: Annotated[int, Meta(ge=0, le=100, description="Levels of it; 0: all")] = 0,
    boxes: Annotated[bool, Meta(description="With the place and size of each element")] = False,
    max_bytes: MaxBytes = 65_536,
    timeout_s: Annotated[float, Meta(gt=0, le=600, description="Seconds that it may take")] = 10,
) -> Snapshot:
    """What the page shows as roles, names and texts, with references that other actions take.

    A reference holds until the page changes or the next snapshot is made.

    Example:

    ```yaml
    - {action: goto, with: {url: "{{ input.site }}/search"}}
    - {action: snapshot, with: {selector: form}}
    ```
    """
    page = await action.page()
    what = f"the snapshot of {selector!r}" if selector else "the snapshot of the page"
    wanted: Any = {"mode": "ai", "boxes": boxes, "timeout": action.limit_s(timeout_s) * 1000}
    if depth:
        wanted["depth"] = depth
    with in_words(what):
        if selector is None:
            text = await page.aria_snapshot(**wanted)
        else:
            found = await find(action, page, Target(selector=selector, timeout_s=timeout_s))
            text = await found.locator.aria_snapshot(**wanted)
        title = await page.evaluate("document.title")
    kept, size = cut_lines(text, max_bytes)
    return Snapshot(page.url, title, kept, size, size > max_bytes)


@action
async def viewport_dom(
    action: ActionContext,
    *,
    max_elements: Annotated[int, Meta(ge=1, le=5000, description="Elements to list")] = 500,
    dom_depth: Annotated[int, Meta(ge=0, le=20, description="How many ancestors `path` names")] = 2,
    min_size: Annotated[
        float, Meta(ge=0, le=10_000, description="Width and height, in CSS pixels, at least")
    ] = 1,
    include_hidden: Annotated[
        bool, Meta(description="Also elements that are hidden, with `visible` false")
    ] = False,
    frame: Annotated[
        Selector | list[Selector] | None, Meta(description="Selector of an iframe to list")
    ] = None,
) -> ViewportDom:
    """List the elements in the window: what can be used, and what has a text or a name of its own.

    Example:

    ```yaml
    - {action: goto, with: {url: "{{ input.site }}/catalogue"}}
    - {action: viewport_dom, with: {max_elements: 50}}
    ```

    Limits:

    - Elements of frames are not listed with the page: name the frame in `frame`.
    """
    page = await action.page()
    with in_words("the list of elements"):
        root = await find(action, page, Target(selector="html", frame=frame), state="attached")
        given = [max_elements, dom_depth, min_size, include_hidden]
        listed = await root.locator.evaluate(VIEWPORT_DOM, given)
    return ViewportDom.read(listed)


@action
@on_target(optional=True)
async def evaluate(
    action: ActionContext,
    target: Target,
    *,
    script: Annotated[
        str | None,
        Meta(description="JavaScript: an expression, a function, or statements with `return`"),
    ] = None,
    file: Annotated[
        str | None,
        Meta(description="A file of the functions folder with the script; a path from the recipe"),
    ] = None,
    args: Annotated[Any, Meta(description="Any JSON: the argument of the function")] = None,
    limit_s: Annotated[
        float, Meta(gt=0, le=86400, description="Seconds that the script may take")
    ] = 30,
) -> Any:
    """Run JavaScript in the page and give its value as JSON; a promise is awaited.

    With an element, the function gets it first, then `args`.

    Example:

    ```yaml
    - {action: goto, with: {url: "{{ input.site }}/catalogue"}}
    - action: evaluate
      with:
        script: "most => [...document.querySelectorAll('h2')].slice(0, most).map(h => h.innerText)"
        args: 2
    ```

    Limits:

    - `undefined` and numbers without a value in JSON (NaN) are null; maps are objects, sets lists.
    - Values that are cyclic, hold elements, or exceed 10 MiB fail.
    """
    if (script is None) == (file is None):
        raise ParametersInvalid("evaluate", [Violation("", "give `script` or `file`")])
    source = script if script is not None else await action.files.read_text(file or "")
    page = await action.page()
    where: Any = page
    if target.is_given:
        where = (await find(action, page, target, state="attached")).locator
    elif target.frame:
        raise ParametersInvalid(
            "evaluate", [Violation("/frame", "goes with an element, such as `selector: body`")]
        )

    async def value() -> Any:
        return await json_of(await run_script(where, source, args))

    try:
        return await action.within(limit_s, value(), what="the script did not end")
    except StepTimeout:
        await stop_scripts(action, page)
        raise
    except Error as cause:
        if moved_on(cause):
            raise ActionFailed(f"the page moved on to {page.url} while the script ran") from cause
        raise


def _limit_ms(action: ActionContext, target: Target) -> float:
    return action.limit_s(target.timeout_s) * 1000
