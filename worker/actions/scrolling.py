"""Scrolling: by a distance, to an element or an end, and on while the page grows."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from slotgrid.core.errors import Violation
from slotgrid.function import Meta
from worker.actions.action import ParametersInvalid, action
from worker.actions.action_context import ActionContext
from worker.actions.faults import in_words
from worker.actions.targets import Target, find, on_target
from worker.pages.growing import Direction, Growth
from worker.pages.visits import Stopwatch

ROUNDS = 200

Distance = Annotated[float, Meta(ge=-10_000_000, le=10_000_000)]
Seconds = Annotated[float, Meta(gt=0, le=3600)]

# What scrolls when the element or, without one, the middle of the window is scrolled. The page's
# own body may be too small to, as in applications that scroll in one part.
_SCROLL = """async (element, [dx, dy, to]) => {
  const page = document.scrollingElement ?? document.documentElement;
  const isScroller = one => one === page
    ? one.scrollHeight > innerHeight + 1 || one.scrollWidth > innerWidth + 1
    : (one.scrollHeight > one.clientHeight + 1 || one.scrollWidth > one.clientWidth + 1) &&
      /auto|scroll|overlay/.test(getComputedStyle(one).overflow);
  const parentOf = one => one.assignedSlot ?? one.parentElement ?? one.parentNode?.host ?? null;
  const scrollerOf = from => {
    for (let one = from; one !== null; one = parentOf(one)) if (isScroller(one)) return one;
    return null;
  };
  const middle = document.elementFromPoint(innerWidth / 2, innerHeight / 2);
  const scroller = element === null
    ? (isScroller(page) ? page : scrollerOf(middle ?? page) ?? page)
    : scrollerOf(element) ?? page;
  const before = [scroller.scrollLeft, scroller.scrollTop];
  const [left, top] = before;
  const goal = to === "top" ? { top: -scroller.scrollHeight }
    : to === "bottom" ? { top: scroller.scrollHeight }
    : { left: left + dx, top: top + dy };
  scroller.scrollTo({ ...goal, behavior: "instant" });
  const frame = () => new Promise(resolve => {
    requestAnimationFrame(resolve);
    setTimeout(resolve, 100);  // no frame comes when the browser is busy
  });
  await frame();
  await frame();
  return {
    x: Math.round(scroller.scrollLeft), y: Math.round(scroller.scrollTop),
    moved: scroller.scrollLeft !== before[0] || scroller.scrollTop !== before[1],
    at_end: Math.abs(scroller.scrollTop) + scroller.clientHeight >= scroller.scrollHeight - 1,
  };
}"""


@dataclass(frozen=True)
class Scrolled:
    """Where what was scrolled is now, in CSS pixels."""

    x: Annotated[int, Meta(description="From the left")]
    y: Annotated[int, Meta(description="From the top")]
    moved: Annotated[bool, Meta(description="Whether it is elsewhere than before")]
    at_end: Annotated[bool, Meta(description="Whether it shows its end")]


@dataclass(frozen=True)
class Grown:
    """How far the page was scrolled."""

    rounds: Annotated[int, Meta(description="Window heights that were scrolled")]
    ended_by: Annotated[
        Literal["stable", "max_rounds", "limit_s"],
        Meta(description="Why it ended: nothing new came, or the limit of that name"),
    ]


@action
@on_target(optional=True)
async def scroll(
    action: ActionContext,
    target: Target,
    *,
    dx: Annotated[Distance, Meta(description="CSS pixels to the right")] = 0,
    dy: Annotated[Distance, Meta(description="CSS pixels down")] = 0,
    to: Annotated[Literal["top", "bottom"] | None, Meta(description="To an end instead")] = None,
) -> Scrolled:
    """Scroll the page by a distance or to an end, or an element into view.

    With an element and a distance or an end, what scrolls is the part of the page it is in.

    Example:

    ```yaml
    - {action: goto, with: {url: "{{ input.site }}/catalogue"}}
    - {action: scroll, with: {dy: 400}}
    - {action: scroll, with: {to: bottom}}
    - {action: scroll, with: {selector: "li.product[data-id='2']"}}
    ```
    """
    page = await action.page()
    distance = [dx, dy, to]
    if to is not None and (dx or dy):
        raise ParametersInvalid("scroll", [Violation("/to", "give `to`, or `dx` and `dy`")])
    if not target.is_given:
        if to is None and not (dx or dy):
            raise ParametersInvalid(
                "scroll", [Violation("", "give `dx`, `dy`, `to`, or an element")]
            )
        with in_words("scrolling"):
            return Scrolled(**await page.evaluate(f"given => ({_SCROLL})(null, given)", distance))
    found = await find(action, page, target, state="attached")
    limit_ms = action.limit_s(target.timeout_s) * 1000
    with in_words(found.what):
        if to is None and not (dx or dy):
            before = await found.locator.bounding_box()
            await found.locator.scroll_into_view_if_needed(timeout=limit_ms)
            after = await found.locator.bounding_box()
            where = await found.locator.evaluate(_SCROLL, distance, timeout=limit_ms)
            return Scrolled(**{**where, "moved": before != after})
        return Scrolled(**await found.locator.evaluate(_SCROLL, distance, timeout=limit_ms))


@action
@on_target(optional=True)
async def scroll_until_stable(
    action: ActionContext,
    target: Target,
    *,
    direction: Annotated[
        Direction, Meta(description="up: for chats, whose past is above")
    ] = "down",
    stable_s: Annotated[
        float, Meta(gt=0, le=60, description="Seconds without anything new at the end")
    ] = 1.5,
    max_rounds: Annotated[
        int, Meta(ge=1, le=10_000, description="Window heights to scroll at most")
    ] = ROUNDS,
    limit_s: Annotated[Seconds, Meta(description="Seconds that it may take")] = 45,
) -> Grown:
    """Scroll on while the page brings more, until nothing new has come for a while.

    Without an element, everything on the page that scrolls is scrolled.

    Example:

    ```yaml
    - {action: goto, with: {url: "{{ input.site }}/pages/endless.html"}}
    - {action: scroll_until_stable, with: {stable_s: 0.5}}
    ```

    Limits:

    - Lists that remove rows which are out of sight show only the last ones afterwards: read them
      with the function `extract`.
    """
    page = await action.page()
    stopwatch, limit_s = Stopwatch(), action.limit_s(limit_s)
    container: Any = None
    if target.is_given:
        found = await find(action, page, target)
        with in_words(found.what):
            container = await found.locator.element_handle()
    growth = Growth(
        page,
        watch="a[href]",
        scroll=True,
        max_rounds=max_rounds,
        direction=direction,
        end_s=stable_s,
        container=container,
    )
    with in_words("scrolling"):
        while stopwatch.seconds < limit_s:
            if not await growth.more():
                is_stable = growth.ended_by != "max_rounds"
                return Grown(growth.rounds, "stable" if is_stable else "max_rounds")
    return Grown(growth.rounds, "limit_s")
