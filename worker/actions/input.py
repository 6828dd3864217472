"""Input: mouse, keyboard, and the fields of forms."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Literal

from playwright.async_api import Error, Page
from playwright.async_api import TimeoutError as PageTimeout

from slotgrid.core.errors import Violation
from slotgrid.function import Meta
from worker.actions import fields, keys
from worker.actions.action import ParametersInvalid, action
from worker.actions.action_context import ActionContext
from worker.actions.errors import ActionFailed
from worker.actions.faults import in_words
from worker.actions.following import After, AfterS, follow
from worker.actions.targets import Found, Target, find, on_target
from worker.actions.uploads import InlineFile, put_files

CLICKED = "performing click action"
"""What Playwright's log of a call has once the mouse was pressed."""

Pixels = Annotated[float, Meta(ge=-100_000, le=100_000)]
WordsPerMinute = Annotated[float, Meta(ge=1, le=2000)]
Position = Annotated[
    Pixels | None, Meta(description="CSS pixels, from the element or else the window")
]
MouseButton = Annotated[Literal["left", "middle", "right"], Meta(description="Mouse button")]


@dataclass(frozen=True)
class FieldAfter(After):
    """What the tab shows after an input into a field."""

    value: Annotated[
        str | None,
        Meta(description="What the field holds now; null for a password or what is no field"),
    ]


@dataclass(frozen=True)
class SelectAfter(After):
    """What the tab shows after a choice."""

    values: Annotated[list[str], Meta(description="Values of the options that are selected now")]


@dataclass(frozen=True)
class CheckAfter(After):
    """What the tab shows after a box was checked or cleared."""

    checked: Annotated[bool, Meta(description="Whether it is checked now")]


@dataclass(frozen=True)
class UploadAfter(After):
    """What the tab shows after files were chosen."""

    files: Annotated[list[str], Meta(description="Names of the files that were given")]


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
                timeout=_limit_ms(action, target),
            )
        except PageTimeout as error:
            if CLICKED not in error.message:
                raise  # else the page is busy with it, or moves on to a slow one

    return await _follow(action, page, found, deed, settle_s)


@action
@on_target()
async def hover(action: ActionContext, target: Target, *, settle_s: AfterS = 0.5) -> After:
    """Move the mouse over an element, for menus and hints that open then.

    Example:

    ```yaml
    - {action: goto, with: {url: "{{ input.site }}/catalogue"}}
    - {action: hover, with: {role: link, name: Next}}
    ```
    """
    page = await action.page()
    found = await find(action, page, target)
    limit_ms = _limit_ms(action, target)
    return await _follow(
        action, page, found, lambda: found.locator.hover(timeout=limit_ms), settle_s
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
    limit_ms = _limit_ms(action, target)

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

    return await _follow(action, page, found, deed, settle_s)


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
            await found.locator.focus(timeout=_limit_ms(action, target))
            await fields.caret_to_end(found.locator)
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
    return FieldAfter(**vars(after), value=await _value(element))


@action
@on_target()
async def fill(
    action: ActionContext,
    target: Target,
    value: Annotated[str, Meta(max_length=1_000_000, description="What the field is to hold")],
    *,
    settle_s: AfterS = 0,
) -> FieldAfter:
    """Set what a field holds at once: an input, a text area, or an editable element.

    Dates and times are given as the browser keeps them: 2030-12-31, 23:59.

    Example:

    ```yaml
    - {action: goto, with: {url: "{{ input.site }}/forms/order"}}
    - {action: fill, with: {role: textbox, name: E-mail, value: ada@example.org}}
    ```

    Limits:

    - Pages that watch single keys may not notice: use `type`.
    """
    page = await action.page()
    found = await find(action, page, target)
    limit_ms = _limit_ms(action, target)
    with in_words(found.what):
        element = await found.locator.element_handle(timeout=limit_ms)
    after = await _follow(
        action, page, found, lambda: found.locator.fill(value, timeout=limit_ms), settle_s
    )
    held = await _value(element)
    if value and held == "":
        raise ActionFailed(f"{found.what} does not take {value[:100]!r}: it is empty now")
    return FieldAfter(**vars(after), value=held)


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
            await found.locator.focus(timeout=_limit_ms(action, target))

    async def deed() -> None:
        for _ in range(count):
            await keys.press_key(page, chord)

    with in_words(f"the key {key!r}"):
        return await follow(action, page, deed, settle_s=settle_s, matches=matches)


@action
@on_target()
async def select(
    action: ActionContext,
    target: Target,
    *,
    value: Annotated[str | list[str] | None, Meta(description="Values of options")] = None,
    label: Annotated[str | list[str] | None, Meta(description="Texts of options")] = None,
    index: Annotated[int | list[int] | None, Meta(description="Places of options, from 0")] = None,
    settle_s: AfterS = 0.5,
) -> SelectAfter:
    """Choose options of a `<select>`; of one that takes several, exactly these.

    Example:

    ```yaml
    - {action: goto, with: {url: "{{ input.site }}/forms/order"}}
    - {action: select, with: {selector: "#colours", label: [red, blue]}}
    ```
    """
    given = [one for one in (value, label, index) if one is not None]
    if len(given) != 1:
        raise ParametersInvalid("select", [Violation("", "give `value`, `label` or `index`")])
    page = await action.page()
    found = await find(action, page, target)
    limit_ms = _limit_ms(action, target)
    chosen: list[str] = []

    async def deed() -> None:
        try:
            chosen.extend(
                await found.locator.select_option(
                    value=value, label=label, index=index, timeout=limit_ms
                )
            )
        except PageTimeout as error:
            if "did not find some options" not in error.message:
                raise
            offered = ", ".join(repr(one) for one in await fields.options_of(found.locator))
            raise ActionFailed(
                f"{found.what} has no option {given[0]!r}; its options are {offered}"
            ) from error

    after = await _follow(action, page, found, deed, settle_s)
    wanted = given[0] if isinstance(given[0], list) else [given[0]]
    if len(chosen) < len(set(wanted)):
        raise ActionFailed(
            f"{found.what} took {len(chosen)} of {len(wanted)} options: it takes only one"
        )
    return SelectAfter(**vars(after), values=chosen)


@action
@on_target()
async def check(action: ActionContext, target: Target, *, settle_s: AfterS = 0.5) -> CheckAfter:
    """Check a checkbox, a switch or a radio button, if it is not checked.

    Example:

    ```yaml
    - {action: goto, with: {url: "{{ input.site }}/forms/order"}}
    - {action: check, with: {role: checkbox, name: I accept the terms}}
    ```
    """
    return await _set_checked(action, target, settle_s, to=True)


@action
@on_target()
async def uncheck(action: ActionContext, target: Target, *, settle_s: AfterS = 0.5) -> CheckAfter:
    """Clear a checkbox or a switch, if it is checked.

    Example:

    ```yaml
    - {action: goto, with: {url: "{{ input.site }}/forms/order"}}
    - {action: check, with: {text: Express}}
    - {action: uncheck, with: {text: Express}}
    ```
    """
    return await _set_checked(action, target, settle_s, to=False)


@action
@on_target()
async def upload(
    action: ActionContext,
    target: Target,
    files: Annotated[
        list[str | InlineFile],
        Meta(
            max_length=100,
            description="Files of the functions folder, or files with their content given here; "
            "none clears the field",
        ),
    ],
    *,
    settle_s: AfterS = 0.5,
) -> UploadAfter:
    """Choose files in a file field, or in the dialog that a button opens.

    Example:

    ```yaml
    - {action: goto, with: {url: "{{ input.site }}/forms/order"}}
    - action: upload
      with: {selector: "#plan", files: [{name: plan.txt, text: Two rooms}]}
    ```

    Limits:

    - Files are those of the functions folder: a path leads from the recipe, with a leading `/` from
      the folder.
    """
    page = await action.page()
    found = await find(action, page, target, state="attached")
    limit_ms = _limit_ms(action, target)
    names: list[str] = []

    async def deed() -> None:
        names.extend(await put_files(action, page, found, files, limit_ms))

    after = await _follow(action, page, found, deed, settle_s)
    return UploadAfter(**vars(after), files=names)


async def _set_checked(
    action: ActionContext, target: Target, settle_s: float, *, to: bool
) -> CheckAfter:
    page = await action.page()
    found = await find(action, page, target, state="attached")
    limit_ms = _limit_ms(action, target)

    async def deed() -> None:
        # A box in the look of the page is often hidden, and its label takes the click.
        label = None if found.is_visible else await fields.shown_label(found.locator)
        if label is None:
            await found.locator.set_checked(to, timeout=limit_ms)
        elif await found.locator.is_checked() != to:
            await label.click(timeout=limit_ms)

    with in_words(found.what):
        element = await found.locator.element_handle(timeout=limit_ms)
    after = await _follow(action, page, found, deed, settle_s)
    try:
        checked = await element.is_checked()
    except Error:  # the page has moved on, or has drawn the box anew
        checked = to
    if checked != to:
        raise ActionFailed(f"{found.what} kept its state when it was clicked")
    return CheckAfter(**vars(after), checked=checked)


async def _follow(
    action: ActionContext,
    page: Page,
    found: Found,
    deed: Callable[[], Awaitable[object]],
    settle_s: float,
) -> After:
    with in_words(found.what):
        return await follow(action, page, deed, settle_s=settle_s, matches=found.matches)


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


async def _value(element: object) -> str | None:
    """What the field holds; None if the page has moved on meanwhile."""
    try:
        return await fields.value_of(element)  # type: ignore[arg-type]
    except Error:
        return None


def _limit_ms(action: ActionContext, target: Target) -> float:
    return action.limit_s(target.timeout_s) * 1000


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
