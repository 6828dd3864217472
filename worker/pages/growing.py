"""Pages that show more when a button is clicked or their end is reached; both are bounded.

    growth = Growth(page, watch="li.product", load_more="button.more", max_rounds=50)
    while await growth.more():
        ...  # read what the page shows now; a virtual list removes rows that are scrolled away
    growth.ended_by

Each round is one click on the button, or one window height of scrolling in everything that scrolls.
"""

import asyncio
from typing import Annotated, Literal

from playwright.async_api import ElementHandle, Error, JSHandle, Page
from playwright.async_api import TimeoutError as PageTimeout

from slotgrid.function import Meta
from worker.pages.activity import LASTING, Activity, watch
from worker.pages.elements import selector_fault
from worker.pages.errors import PageUnreachable
from worker.pages.inputs import Selector
from worker.pages.matching import on_matches

LoadMore = Annotated[
    Selector | None,
    Meta(description="Selector of a button that shows more; it is clicked until nothing new comes"),
]
Scroll = Annotated[bool, Meta(description="Scroll to the end, again while the page grows")]
MaxRounds = Annotated[
    int,
    Meta(ge=1, le=10_000, description="Clicks on `load_more`, or window heights scrolled, a page"),
]
Direction = Literal["down", "up"]
GrowthEnd = Literal["nothing-new", "no-button", "max_rounds"]

ROUND_S = 10.0
"""Seconds a round may take to show what it brings."""
END_S = 1.0
"""Without a request and a change for this long after a round, nothing new comes."""
FIRST_S = 5.0
"""Seconds that a disabled button has before the first round."""
STABLE_S = 0.15
"""After a change, the page has shown everything when nothing moves for this long."""
STEP_S = 0.05
"""The same for a step of scrolling that has not reached the end."""
CLICK_S = 2.0
"""Seconds for a click as a user makes it; after that, the element's own `click()`."""
_POLL_S = 0.03
_LEFT = (
    "context was destroyed",
    "is navigating",
    "Cannot find context",
    "JSHandle is disposed",
    "only in the context they were created",
)
"""What Playwright says of a call on a document that the page has left."""

# `look` gives what has to change for a round to have brought something: number, first and last of
# the watched elements, and the greatest height so far (heights that swing are no growth).
# `direction` is 1 for down and -1 for up; `container` is the one element that scrolls, if given.
_PAGE = """([direction, container]) => {
  const roots = (root, all = [root]) => {
    for (const element of root.querySelectorAll("*"))
      if (element.shadowRoot) { all.push(element.shadowRoot); roots(element.shadowRoot, all); }
    return all;
  };
  const every = () => roots(document).flatMap(root => [...root.querySelectorAll("*")]);
  const scrollers = () => container !== null ? [container] : every().filter(element =>
    element.scrollHeight > element.clientHeight + 1 && element.clientHeight >= 50 &&
    (element === document.scrollingElement ||
      ["auto", "scroll"].includes(getComputedStyle(element).overflowY)) &&
    element.checkVisibility({ visibilityProperty: true }));
  const mark = element =>
    element && (element.href ?? "") + element.textContent.slice(0, 500);
  let moving = [container ?? document.scrollingElement ?? document.documentElement];
  let tallest = 0;
  return {
    look(found) {
      tallest = Math.max(tallest, moving.reduce((sum, one) => sum + one.scrollHeight, 0));
      return JSON.stringify([found.length, mark(found[0]), mark(found.at(-1)), tallest]);
    },
    scroll() {
      let moved = false;
      moving = scrollers();
      for (const element of moving) {
        const before = element.scrollTop;
        const height = Math.min(element.clientHeight, innerHeight);
        const top = direction * Math.max(height * 0.9, 40);
        element.scrollBy({ top, behavior: "instant" });
        moved ||= element.scrollTop !== before;
        // What was put above does not move a part that is at its top: only a move away and back is
        // an event for its script.
        if (direction < 0 && element.scrollTop === before) {
          element.scrollBy({ top: 2, behavior: "instant" });
          requestAnimationFrame(() => element.scrollBy({ top: -2, behavior: "instant" }));
        }
      }
      return moved;
    },
  };
}"""


class LeftPage(PageUnreachable):
    """A round led to another page; the message names the field that is meant for links."""


class Growth:
    """One page while it grows. `ended_by` says why there is no further round.

    `watch` is the CSS selector of what grows in number; without a match, the page's height counts.
    Nothing new comes when nothing moves for `end_s` after a round. `container` is the one element
    that is scrolled instead of all that can be.
    """

    def __init__(
        self,
        page: Page,
        *,
        watch: str = "a[href]",
        load_more: str | None = None,
        scroll: bool = False,
        max_rounds: int = 50,
        direction: Direction = "down",
        end_s: float = END_S,
        container: ElementHandle | None = None,
    ) -> None:
        self.rounds = 0
        self.ended_by: GrowthEnd | None = None
        self._page = page
        self._watch = watch
        self._load_more = load_more
        self._scroll = scroll
        self._max_rounds = max_rounds
        self._direction = direction
        self._end_s = end_s
        self._container = container
        self._handle: JSHandle | None = None

    async def more(self) -> bool:
        """Do one round; False when it brought nothing, or when there is none left to do.

        Raises InputRefused for a selector that cannot be read, LeftPage when the click is a link.
        """
        if self.ended_by is not None:
            return False
        try:
            self.ended_by = await self._round()
        except Error as cause:
            if not any(sign in cause.message for sign in _LEFT):
                raise
            raise LeftPage(
                f"{self._load_more!r} leads to another page, {self._page.url}: it is a link for"
                " `next_page`, not a button for `load_more`"
            ) from cause
        return self.ended_by is None

    async def _round(self) -> GrowthEnd | None:
        button = await self._button() if self._load_more else None
        if button is None and not self._scroll:
            return "no-button"
        if self.rounds == self._max_rounds:
            return "max_rounds"
        before = await self._look()
        async with watch(self._page) as activity:
            if button is not None:
                while not await _click(button):
                    if (button := await self._button()) is None:
                        return "no-button"
                brought = await self._changed(before, activity, quiet_s=self._end_s)
            else:
                brought = False
            if not brought and self._scroll:
                moved = await self._scrolled()
                brought = await self._changed(
                    before, activity, quiet_s=STEP_S if moved else self._end_s
                )
                brought |= moved
        self.rounds += 1
        return None if brought else "nothing-new"

    async def _changed(self, before: str, activity: Activity, *, quiet_s: float) -> bool:
        """Wait until the page is at rest after a round; say whether it shows something else."""
        loop = asyncio.get_running_loop()
        began = moved_at = loop.time()
        seen, loaded = before, False
        while (now := loop.time()) - began < ROUND_S:
            state = await self._look()
            is_loading = any(one.resource_type in LASTING for one in activity.under_way)
            loaded |= is_loading
            if state != seen or is_loading:
                seen, moved_at = state, now
            stable_s = STABLE_S if loaded else min(STABLE_S, quiet_s)
            if now - moved_at >= (quiet_s if seen == before else stable_s):
                break
            await asyncio.sleep(_POLL_S)
        return seen != before

    async def _button(self) -> ElementHandle | None:
        """Return the first button that a user can click; one that is loading may come back."""
        assert self._load_more is not None
        loop = asyncio.get_running_loop()
        began = loop.time()
        while True:
            try:
                found = await self._page.query_selector_all(self._load_more)
            except Error as cause:
                raise selector_fault("load_more", self._load_more, cause) from cause
            for element in found[:20]:
                if await element.is_visible() and await element.evaluate(_IS_ENABLED):
                    return element
            # Before the first round, a disabled button is one of a page that still loads.
            wait_s = FIRST_S if found and self.rounds == 0 else END_S
            if loop.time() - began >= wait_s:
                return None
            await asyncio.sleep(_POLL_S)

    async def _look(self) -> str:
        look = "(elements, page) => page.look(elements)"
        state: str = await on_matches(self._page, self._watch, look, await self._scripts())
        return state

    async def _scrolled(self) -> bool:
        moved: bool = await (await self._scripts()).evaluate("page => page.scroll()")
        return moved

    async def _scripts(self) -> JSHandle:
        if self._handle is None:
            given = [1 if self._direction == "down" else -1, self._container]
            self._handle = await self._page.evaluate_handle(_PAGE, given)
        return self._handle


_IS_ENABLED = """element => !element.matches(":disabled, [aria-disabled=true], [aria-busy=true]")"""


async def _click(button: ElementHandle) -> bool:
    """Click as a user does; if something covers the button, call its own `click()`.

    False when the page has replaced the button since it was found.
    """
    try:
        await button.click(timeout=CLICK_S * 1000)
    except PageTimeout:
        await button.evaluate("element => element.click()")
    except Error as error:
        if "not attached" not in error.message:
            raise
        return False
    return True
