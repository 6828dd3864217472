"""What an input leads to: requests, another document, new tabs; waited for and followed."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

from playwright.async_api import Error, Page

from slotgrid.function import Meta
from worker.actions.action_context import ActionContext
from worker.actions.faults import in_words
from worker.actions.new_tabs import NewTabs
from worker.actions.targets import Found
from worker.pages.activity import watch
from worker.pages.errors import PageUnreachable
from worker.pages.inputs import SettleS
from worker.pages.results import Address, Loaded
from worker.pages.settling import settle
from worker.pages.visits import Visit, Waits

LOAD_S = 15.0
"""Seconds that a page which an input leads to may take to load."""
REACT_S = 3.0
"""Seconds, at most, for the requests that an input causes."""

ANSWER_S = 10.0
"""Seconds in which a page must answer: its own scripts may keep it busy for ever."""
TAB_S = 5.0
"""Seconds from the news that a tab is going to be opened until it is there."""

# The first tells the tab's documents apart; the second is whether an input may run a script.
_DOCUMENT = """() => [performance.timeOrigin, document.scripts.length > 0 ||
  document.evaluate("boolean(//@*[starts-with(name(), 'on')])", document, null,
    XPathResult.BOOLEAN_TYPE).booleanValue]"""

AfterS = Annotated[
    SettleS,
    Meta(description="Seconds that the page may take to come to rest afterwards; 0 does not wait"),
]


@dataclass(frozen=True)
class After:
    """What the tab shows after an input."""

    url: Address
    navigated: Annotated[bool, Meta(description="Whether the tab shows another document now")]
    loaded: Loaded
    new_tabs: Annotated[int, Meta(description="How many tabs were opened; see `switch_tab`")]
    closed: Annotated[bool, Meta(description="Whether the tab was closed")]
    matches: Annotated[
        int, Meta(description="How many elements matched; the first visible one was taken")
    ]


@dataclass(frozen=True)
class FieldAfter(After):
    """What the tab shows after an input into a field."""

    value: Annotated[
        str | None,
        Meta(description="The field's present value; null for a password or another element"),
    ]


async def follow_found(
    action: ActionContext,
    page: Page,
    found: Found,
    deed: Callable[[], Awaitable[object]],
    *,
    settle_s: float,
    awaits_navigation: bool = False,
) -> After:
    """Like `follow`, for a deed on an element, which errors name."""
    with in_words(found.what):
        return await follow(
            action,
            page,
            deed,
            settle_s=settle_s,
            matches=found.matches,
            awaits_navigation=awaits_navigation,
        )


async def follow(
    action: ActionContext,
    page: Page,
    deed: Callable[[], Awaitable[object]],
    *,
    settle_s: float,
    matches: int = 1,
    awaits_navigation: bool = False,
) -> After:
    """Do the deed, and wait for what it causes: requests, new tabs, a document that it leads to.

    `awaits_navigation`: the deed itself ends only when a navigation that it starts has an answer,
    as Playwright's clicks do; on a page without scripts nothing else can follow then.
    Raises ActionFailed when that document does not come, and whatever the deed raises.
    """
    url, navigated = page.url, False
    before, has_scripts = await _document(action, page)
    waits = Waits(action.context.deadline, "load", settle_s, LOAD_S)
    visit = Visit(page, url, None, waits, refreshes=has_scripts or not awaits_navigation)
    tabs = await NewTabs.of(action, page)
    try:
        async with watch(page) as activity:
            await _do(deed, page)
            if settle_s > 0 and not page.is_closed():
                await activity.idle(at_most_s=action.limit_s(REACT_S))
        if not page.is_closed():
            with in_words(f"after the input at {url}, the page"):
                await settle(visit)
                navigated = (await _document(action, page))[0] != before
        await tabs.arrive(at_most_s=action.limit_s(TAB_S))
    except (Error, PageUnreachable):
        if not page.is_closed():
            raise
    finally:
        tabs.close()
    return After(page.url, navigated, visit.loaded, tabs.count, page.is_closed(), matches)


async def answers(action: ActionContext, page: Page) -> None:
    """Raise StepTimeout if the page's scripts leave it no time to answer."""
    await _document(action, page)


async def _do(deed: Callable[[], Awaitable[object]], page: Page) -> None:
    try:
        await deed()
    except Exception:  # of a tab that the deed has closed
        if not page.is_closed() or not page.context.pages:
            raise


async def _document(action: ActionContext, page: Page) -> tuple[float | None, bool]:
    """See _DOCUMENT; None while the tab moves on. Raises StepTimeout."""
    what = f"{page.url} did not answer, its scripts keep it busy"
    try:
        began, has_scripts = await action.within(ANSWER_S, page.evaluate(_DOCUMENT), what=what)
    except Error:
        return None, True
    return began, has_scripts
