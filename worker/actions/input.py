"""Input: mouse, keyboard, and the fields of forms."""

from typing import Annotated, Literal

from playwright.async_api import Page
from playwright.async_api import TimeoutError as PageTimeout

from slotgrid.core.errors import Violation
from slotgrid.function import Meta
from worker.actions import fields, keys
from worker.actions.action import ParametersInvalid, action
from worker.actions.action_context import ActionContext
from worker.actions.errors import ActionFailed
from worker.actions.faults import in_words
from worker.actions.following import (
    ANSWER_S,
    After,
    AfterS,
    FieldAfter,
    answers,
    follow,
    follow_found,
)
from worker.actions.targets import Target, find, on_target

CLICKED = "performing click action"
"""What Playwright's log of a call has once the mouse was pressed."""

Pixels = Annotated[float, Meta(ge=-100_000, le=100_000)]
WordsPerMinute = Annotated[float, Meta(ge=1, le=2000)]
Position = Annotated[
    Pixels | None, Meta(description="CSS pixels, from the element or else the window")
]
MouseButton = Annotated[Literal["left", "middle", "right"], Meta(description="Mouse button")]


class Spot(Target, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where something is dragged to: an element, or a distance in CSS pixels."""

    dx: Annotated[Pixels | None, Meta(description="To the right")] = None
    dy: Annotated[Pixels | None, Meta(description="Down")] = None


@action
@on_target(optional=True)
async def click(
    action: ActionContext,
    target: Target,
    *,
    x: Position = None,
    y: Position = None,
    button: MouseButton = "left",
    count: Annotated[int, Meta(ge=1, le=3, description="2: a double click")] = 1,
    modifiers: keys.Modifiers = [],  # noqa: B006  never changed
    settle_s: AfterS = 0.5,
) -> After:
    """Click an element as a person does, and follow the page where it moves on.

    Example:

    ```yaml
    - {action: goto, with: {url: "{{ input.site }}/catalogue"}}
    - {action: click, with: {text: Next}}
    ```

    Limits:

    - An element that is covered, disabled or keeps moving is waited for, `timeout_s` at most.
    - A page that moves on later than `settle_s` is not followed: use `wait_for_url`.
    """
    page = await action.page()
    _both("click", x, y)
    held = [keys.PLAYWRIGHT_MODIFIERS[one] for one in modifiers]
    if not target.is_given:
        at = _needed("click", x, y)
        return await follow(
            action, page, lambda: _click_at(page, at, button, count, held), settle_s=settle_s
        )
    found = await find(action, page, target)
    position = {"x": x, "y": y} if x is not None and y is not None else None

    async def deed() -> None:
        try:
            await found.locator.click(
                button=button,
                click_count=count,
                modifiers=held,
                position=position,  # type: ignore[arg-type]  # a TypedDict of these
                timeout=target.limit_ms(action),
            )
        except PageTimeout as error:
            if CLICKED not in error.message:
                raise
            await answers(action, page)  # else it is busy, or moves on to a slow one

    return await follow_found(action, page, found, deed, settle_s=settle_s, awaits_navigation=True)


@action
@on_target()
async def hover(action: ActionContext, target: Target, *, settle_s: AfterS = 0) -> After:
    """Move the mouse over an element, for menus and hints that open then.

    Example:

    ```yaml
    - {action: goto, with: {url: "{{ input.site }}/catalogue"}}
    - {action: hover, with: {role: link, name: Next}}
    ```
    """
    page = await action.page()
    found = await find(action, page, target)
    limit_ms = target.limit_ms(action)
    return await follow_found(
        action, page, found, lambda: found.locator.hover(timeout=limit_ms), settle_s=settle_s
    )


@action
async def move(
    action: ActionContext,
    x: Annotated[Pixels, Meta(description="CSS pixels from the left")],
    y: Annotated[Pixels, Meta(description="CSS pixels from the top")],
    *,
    steps: Annotated[int, Meta(ge=1, le=1000, description="Positions on the way there")] = 1,
) -> None:
    """Move the mouse to a place in the window.

    Example:

    ```yaml
    - {action: goto, with: {url: "{{ input.site }}/catalogue"}}
    - {action: move, with: {x: 100, y: 200, steps: 5}}
    ```
    """
    page = await action.page()
    with in_words("the mouse"):
        await page.mouse.move(x, y, steps=steps)


@action
@on_target()
async def drag(
    action: ActionContext,
    target: Target,
    to: Annotated[Spot, Meta(description="Where to: an element, or `dx` and `dy`")],
    *,
    steps: Annotated[int, Meta(ge=1, le=1000, description="Mouse moves on the way there")] = 10,
    settle_s: AfterS = 0.5,
) -> After:
    """Drag an element onto another one, or by a distance.

    Example:

    ```yaml
    - action: set_content
      with:
        html: "<input type=range min=0 max=100 value=0 style='width:400px'>"
    - {action: drag, with: {selector: input, to: {dx: 100, dy: 0}}}
    ```
    """
    page = await action.page()
    found = await find(action, page, target)
    if (to.dx is None and to.dy is None) != to.is_given:
        raise ParametersInvalid(
            "drag", [Violation("/to", "give an element, or the distances `dx` and `dy`")]
        )
    if fault := to.fault(optional=True):
        raise ParametersInvalid("drag", [Violation(f"/to{fault.pointer}", fault.message)])
    goal = await find(action, page, to) if to.is_given else None
    limit_ms = target.limit_ms(action)

    async def deed() -> None:
        if goal is not None:
            await found.locator.drag_to(goal.locator, steps=steps, timeout=limit_ms)
            return
        await found.locator.hover(timeout=limit_ms)
        box = await found.locator.bounding_box()
        assert box is not None  # it was hovered over
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        await page.mouse.down()
        await page.mouse.move(x + (to.dx or 0), y + (to.dy or 0), steps=steps)
        await page.mouse.up()

    return await follow_found(action, page, found, deed, settle_s=settle_s)


@action
@on_target(optional=True, without=("text", "exact", "closest"))
async def type_(
    action: ActionContext,
    target: Target,
    text: Annotated[str, Meta(max_length=100_000, description="What to type; \\n is Enter")],
    *,
    clear: Annotated[bool, Meta(description="Remove what the field holds before")] = False,
    delay_s: Annotated[float, Meta(ge=0, le=10, description="Seconds between two keys")] = 0,
    wpm: Annotated[
        WordsPerMinute | None, Meta(description="Type like a person, so many words per minute")
    ] = None,
    settle_s: AfterS = 0,
) -> FieldAfter:
    """Type text key by key at the end of a field, or into the element that has the focus.

    Example:

    ```yaml
    - {action: goto, with: {url: "{{ input.site }}/forms/order"}}
    - {action: type, with: {selector: "#name", text: Ada Lovelace, wpm: 2000}}
    ```
    """
    page = await action.page()
    matches = 1
    if target.is_given:
        found = await find(action, page, target)
        matches = found.matches
        with in_words(found.what):
            has_focus = await fields.caret_to_end(found.locator)
        if not has_focus:
            raise ActionFailed(f"{found.what} takes no text: it cannot have the focus")
    element = await fields.focused(page)
    if element is None:
        raise ActionFailed(
            "no element has the focus: name a field by `selector`, `role` or `ref`, or click one"
        )
    if clear:
        await fields.select_all(element)
        await page.keyboard.press("Delete")

    async def deed() -> None:
        await keys.type_keys(page, text, delay_s=delay_s, wpm=wpm)

    with in_words("typing"):
        after = await follow(action, page, deed, settle_s=settle_s, matches=matches)
    return FieldAfter(**vars(after), value=await fields.value_of(element))


@action
@on_target(optional=True)
async def press(
    action: ActionContext,
    target: Target,
    key: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=60,
            description="A key, such as Enter, ArrowDown, F5 or a; with others: Control+A",
        ),
    ],
    *,
    modifiers: keys.Modifiers = [],  # noqa: B006  never changed
    count: Annotated[int, Meta(ge=1, le=1000, description="How often")] = 1,
    settle_s: AfterS = 0.5,
) -> After:
    """Press a key, in an element or in the one that has the focus, and follow the page.

    Example:

    ```yaml
    - {action: goto, with: {url: "{{ input.site }}/search"}}
    - {action: type, with: {selector: "[name=q]", text: lamp}}
    - {action: press, with: {key: Enter}}
    ```
    """
    page = await action.page()
    matches, chord = 1, keys.chord(key, modifiers)
    if target.is_given:
        found = await find(action, page, target)
        matches = found.matches
        with in_words(found.what):
            await found.locator.focus(timeout=target.limit_ms(action))

    async def deed() -> None:
        for _ in range(count):
            pressing = keys.press_key(page, chord)
            await action.within(ANSWER_S, pressing, what=f"{page.url} did not take the key")

    with in_words(f"the key {key!r}"):
        return await follow(action, page, deed, settle_s=settle_s, matches=matches)


async def _click_at(
    page: Page,
    at: tuple[float, float],
    button: Literal["left", "middle", "right"],
    count: int,
    held: list[Literal["Alt", "Control", "Meta", "Shift"]],
) -> None:
    for key in held:
        await page.keyboard.down(key)
    try:
        await page.mouse.click(*at, button=button, click_count=count)
    finally:
        for key in held:
            await page.keyboard.up(key)


def _both(name: str, x: float | None, y: float | None) -> None:
    if (x is None) != (y is None):
        missing = "x" if x is None else "y"
        raise ParametersInvalid(name, [Violation(f"/{missing}", "give `x` and `y` together")])


def _needed(name: str, x: float | None, y: float | None) -> tuple[float, float]:
    if x is None or y is None:
        raise ParametersInvalid(
            name,
            [Violation("", "give `selector`, `text`, `role` or `ref`, or the place `x` and `y`")],
        )
    return x, y
