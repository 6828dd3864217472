"""What an input leads to: requests, another document, new tabs; waited for and followed."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

from playwright.async_api import Error, Page

from slotgrid.function import Meta
from worker.actions.action_context import ActionContext
from worker.actions.faults import in_words
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
        Meta(description="What the field holds now; null for a password or what is no field"),
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
    """Do the deed, and wait for what it causes: its requests, and a document that it leads to.

    `awaits_navigation`: the deed itself ends only when a navigation that it starts has an answer,
    as Playwright's clicks do; on a page without scripts nothing else can follow then.
    Raises ActionFailed when that document does not come, and whatever the deed raises.
    """
    url, tabs, navigated = page.url, list[Page](), False

    def note(tab: Page) -> None:
        tabs.append(tab)

    before, has_scripts = await _document(page)
    waits = Waits(action.context.deadline, "load", settle_s, LOAD_S)
    visit = Visit(page, url, None, waits, refreshes=has_scripts or not awaits_navigation)
    page.context.on("page", note)
    try:
        async with watch(page) as activity:
            try:
                await deed()
            except Exception:
                if not page.is_closed() or page.context.pages == []:
                    raise
            if settle_s > 0 and not page.is_closed():
                await activity.idle(at_most_s=action.limit_s(REACT_S))
        if not page.is_closed():
            with in_words(f"after the input at {url}, the page"):
                await settle(visit)
                navigated = (await _document(page))[0] != before
    except (Error, PageUnreachable):
        if not page.is_closed():
            raise
    finally:
        page.context.remove_listener("page", note)
    return After(page.url, navigated, visit.loaded, len(tabs), page.is_closed(), matches)


async def _document(page: Page) -> tuple[float | None, bool]:
    """See _DOCUMENT; None while the tab moves on."""
    try:
        began, has_scripts = await page.evaluate(_DOCUMENT)
    except Error:
        return None, True
    return began, has_scripts
