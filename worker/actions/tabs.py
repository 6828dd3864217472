"""Tabs: which are open, and which one the actions use."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated

from playwright.async_api import BrowserContext, Error, Page

from slotgrid.core.errors import Violation
from slotgrid.function import Meta
from worker.actions.action import ParametersInvalid, action
from worker.actions.action_context import ActionContext
from worker.actions.browser_session import RESERVE_S, first_line
from worker.actions.errors import ActionFailed, StepTimeout, TabClosed
from worker.actions.navigation import PageState, open_address, state_of
from worker.actions.tab_list import TabList, Tabs, title_of
from worker.pages.inputs import LoadTimeoutS, SettleS, Url, WaitUntil
from worker.pages.results import Address
from worker.pages.visits import Visit, Waits

CLOSE_S = 5.0
FRONT_S = 2.0
POLL_S = 0.05

TabId = Annotated[
    Annotated[str, Meta(pattern="^tab-[0-9]{1,9}$")] | None, Meta(description="Id of the tab")
]
TabIndex = Annotated[
    Annotated[int, Meta(ge=-10_000, le=10_000)] | None,
    Meta(description="Place in the list, from 0; -1 is the newest tab"),
]
Part = Annotated[str, Meta(min_length=1, max_length=2000)]


@dataclass(frozen=True)
class OpenedTab(PageState):
    """What the tab shows, and its id."""

    id: Annotated[str, Meta(description="Id of the tab")]


@dataclass(frozen=True)
class SwitchedTab:
    """The tab that is the current one now."""

    id: Annotated[str, Meta(description="Id of the tab")]
    url: Address
    title: Annotated[str | None, Meta(description="null if the tab is too busy to answer")]
    loaded: Annotated[bool, Meta(description="Whether it had loaded within `timeout_s`")]


@action
async def list_tabs(action: ActionContext) -> TabList:
    """List the open tabs, also those that pages have opened.

    Example:

    ```yaml
    - {action: goto, with: {url: "{{ input.site }}/catalogue"}}
    - {action: new_tab}
    - {action: list_tabs}
    ```

    Limits:

    - The first 200 tabs are listed; `count` has the number of all.
    - A tab that a page opens does not become the current one: `switch_tab` makes it so.
    """
    page = await action.page()
    return await action.session.part(Tabs).listed(page.context, page)


@action
async def new_tab(
    action: ActionContext,
    url: Annotated[Url | None, Meta(description="Address to open; an empty tab without it")] = None,
    *,
    wait_until: WaitUntil = "load",
    settle_s: SettleS = 0.5,
    load_timeout_s: LoadTimeoutS = 15,
) -> OpenedTab:
    """Open a tab and make it the current one.

    The tab is closed again if the address cannot be opened; the current tab stays the same then.

    Example:

    ```yaml
    - {action: new_tab, with: {url: "{{ input.site }}/catalogue"}}
    ```
    """
    is_later = action.session.has_page
    page = await _opened(action, url or "")
    waits = Waits(action.context.deadline, wait_until, settle_s, load_timeout_s)
    try:
        if url is not None:
            state = await open_address(page, url, waits, is_later=is_later)
        else:
            state = await state_of(Visit(page, page.url, None, waits))
    except BaseException:
        await _close(page)
        raise
    action.session.switch(page)
    return OpenedTab(
        state.url,
        state.title,
        state.status,
        state.loaded,
        state.pending,
        action.session.part(Tabs).id_of(page),
    )


@action
async def switch_tab(
    action: ActionContext,
    *,
    id: TabId = None,  # noqa: A002  the word of `list_tabs`
    index: TabIndex = None,
    url: Annotated[Part | None, Meta(description="A part of the tab's address")] = None,
    title: Annotated[Part | None, Meta(description="A part of the tab's title")] = None,
    timeout_s: Annotated[
        float, Meta(ge=0, le=3600, description="Seconds to wait for the tab, and for its load")
    ] = 10,
) -> SwitchedTab:
    """Make another tab the current one, named by `id`, `index`, `url` or `title`.

    A tab with that address or title is waited for; of several the newest is taken.

    Example:

    ```yaml
    - {action: new_tab, with: {url: "{{ input.site }}/catalogue"}}
    - {action: switch_tab, with: {index: 0}}
    - {action: switch_tab, with: {url: /catalogue}}
    ```

    Limits:

    - An `index` is not waited for: a tab that a click has just opened may not be there yet. Name it
      by its address or title.
    """
    _one_of("switch_tab", id=id, index=index, url=url, title=title)
    context = await _context(action)
    tabs = action.session.part(Tabs)
    if id is not None or index is not None:
        page = tabs.find(context, id=id, index=index)
    else:
        page = await _awaited(action, context, url, title, timeout_s)
    action.session.switch(page)
    with suppress(Error, TimeoutError):  # a tab that is busy with a script
        async with asyncio.timeout(FRONT_S):
            await page.bring_to_front()
    loaded = await _has_loaded(action, page, timeout_s)
    return SwitchedTab(tabs.id_of(page), page.url, await title_of(page), loaded)


@action
async def close_tab(
    action: ActionContext,
    *,
    id: TabId = None,  # noqa: A002  the word of `list_tabs`
    index: TabIndex = None,
) -> TabList:
    """Close a tab, the current one unless another is named, and list the others.

    After the current one, the tab that opened it is current if it is open, else the newest.

    Example:

    ```yaml
    - {action: new_tab, with: {url: "{{ input.site }}/catalogue"}}
    - {action: close_tab}
    ```

    Limits:

    - The page is not asked whether it may be left (`beforeunload`).
    - A task has at least one tab: an empty one replaces the last.
    """
    if id is not None and index is not None:
        raise _two("close_tab", "id", "index")
    context = await _context(action)
    tabs = action.session.part(Tabs)
    current = await _current(action)
    if id is None and index is None:
        if current is None:
            raise TabClosed("the current tab is closed already")
        page = current
    else:
        page = tabs.find(context, id=id, index=index)
    if page is current:
        action.session.switch(await _next(action, context, page))
    await _close(page)
    return await tabs.listed(context, await action.page())


@action
async def close_other_tabs(
    action: ActionContext,
    *,
    id: TabId = None,  # noqa: A002  the word of `list_tabs`
) -> TabList:
    """Close all tabs but one, the current one unless another is named; it is current then.

    Example:

    ```yaml
    - {action: new_tab, with: {url: "{{ input.site }}/catalogue"}}
    - {action: new_tab}
    - {action: close_other_tabs, with: {id: tab-1}}
    ```
    """
    context = await _context(action)
    tabs = action.session.part(Tabs)
    kept = await action.page() if id is None else tabs.find(context, id=id, index=None)
    action.session.switch(kept)
    for page in tabs.open_pages(context):
        if page is not kept:
            await _close(page)
    return await tabs.listed(context, kept)


async def _context(action: ActionContext, url: str = "") -> BrowserContext:
    """The task's browser context, also if all of its tabs are closed."""
    with suppress(TabClosed):
        await action.page(url)
    return action.context.browser_context


async def _current(action: ActionContext) -> Page | None:
    try:
        return await action.page()
    except TabClosed:
        return None


async def _opened(action: ActionContext, url: str = "") -> Page:
    context = await _context(action, url)
    action.session.part(Tabs).open_pages(context)
    try:
        page = await context.new_page()
    except Error as cause:
        raise ActionFailed(f"no tab could be opened: {first_line(cause)}") from cause
    await action.session.prepare(page)
    return page


async def _next(action: ActionContext, context: BrowserContext, closed: Page) -> Page:
    """The tab that is current when this one is closed."""
    others = [page for page in action.session.part(Tabs).open_pages(context) if page is not closed]
    opener = await closed.opener()
    if opener in others:
        return opener
    return others[-1] if others else await _opened(action)


async def _close(page: Page) -> None:
    """Close a tab; one that does not close in time is closed with its context."""
    closing = asyncio.ensure_future(page.close())
    done, _ = await asyncio.wait({closing}, timeout=CLOSE_S)
    if not done:
        closing.cancel()
        raise ActionFailed(f"the tab {page.url} was not closed within {CLOSE_S:g} s")
    with suppress(Error):  # it was closed meanwhile
        closing.result()


async def _awaited(
    action: ActionContext,
    context: BrowserContext,
    url: str | None,
    title: str | None,
    timeout_s: float,
) -> Page:
    """The newest tab with that address or title, as soon as there is one."""
    tabs = action.session.part(Tabs)

    async def found() -> Page:
        while True:
            for page in reversed(tabs.open_pages(context)):
                if url is not None and url in page.url:
                    return page
                if title is not None and title in (await title_of(page) or ""):
                    return page
            await asyncio.sleep(POLL_S)

    what = f"a tab with {url!r} in its address" if url else f"a tab with {title!r} in its title"
    try:
        return await action.within(timeout_s, found(), what=what)
    except StepTimeout as timeout:
        listed = ", ".join(page.url for page in tabs.open_pages(context)[:20])
        raise StepTimeout(f"{timeout}; open are {listed or 'no tabs'}") from timeout


async def _has_loaded(action: ActionContext, page: Page, timeout_s: float) -> bool:
    left_s = max(0.0, action.context.deadline.remaining_s - RESERVE_S)
    try:
        async with asyncio.timeout(min(timeout_s, left_s)):
            await page.wait_for_load_state("load", timeout=0)
    except TimeoutError:
        return False
    except Error as cause:
        raise TabClosed("the tab was closed while it loaded; list_tabs has the others") from cause
    return True


def _one_of(action: str, **given: object) -> None:
    names = [name for name, value in given.items() if value is not None]
    if len(names) > 1:
        raise _two(action, *names[:2])
    if not names:
        ways = ", ".join(f"`{name}`" for name in given)
        raise ParametersInvalid(action, [Violation("", f"no tab is named: give one of {ways}")])


def _two(action: str, first: str, second: str) -> ParametersInvalid:
    message = f"`{first}` and `{second}` are given: give one of them"
    return ParametersInvalid(action, [Violation(f"/{second}", message)])
