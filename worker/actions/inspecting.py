"""What a page is made of, for programs and models: its outline, its elements, its own scripts."""

from dataclasses import dataclass
from typing import Annotated, Any

from playwright.async_api import Error
from playwright.async_api import TimeoutError as PageTimeout

from slotgrid.core.errors import Violation
from slotgrid.function import Meta
from worker.actions.action import ParametersInvalid, action
from worker.actions.action_context import ActionContext
from worker.actions.bounds import MaxBytes, Truncated, cut_lines
from worker.actions.elements_in_view import VIEWPORT_DOM, ViewportDom
from worker.actions.errors import ActionFailed, StepTimeout
from worker.actions.faults import in_words, short
from worker.actions.scripts import json_of, run_script, stop_scripts
from worker.actions.targets import Target, find, on_target
from worker.pages.inputs import Selector
from worker.pages.loading import moved_on
from worker.pages.results import Address, PageTitle


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
    part: Any = page
    if selector is not None:
        part = (await find(action, page, Target(selector=selector, timeout_s=timeout_s))).locator
    try:
        text = await part.aria_snapshot(**wanted)
        title = await page.evaluate("document.title")
    except PageTimeout as cause:
        raise StepTimeout(
            f"{what} was not made within {timeout_s:g} s: the page is busy, or too large; "
            "name a part of it in `selector`"
        ) from cause
    except Error as cause:
        raise ActionFailed(f"{what} failed: {short(cause)}") from cause
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
        root = await find(action, page, Target(selector=":root", frame=frame), state="attached")
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
    opening = action.session.cdp(page)
    cdp = await action.within(limit_s, opening, what=f"{page.url} did not answer")
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
        await stop_scripts(cdp)
        raise
    except Error as cause:
        if moved_on(cause):
            raise ActionFailed(f"the page moved on to {page.url} while the script ran") from cause
        raise
