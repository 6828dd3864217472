"""Going to pages, and back and forth between them."""

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Annotated

from playwright.async_api import Error, Page, Response

from slotgrid.function import Meta
from worker.actions.action import action
from worker.actions.action_context import ActionContext
from worker.actions.errors import ActionFailed
from worker.actions.faults import in_words
from worker.pages.context_page import without_credentials
from worker.pages.errors import PageUnreachable
from worker.pages.inputs import LoadTimeoutS, SettleS, Url, WaitUntil
from worker.pages.navigation import arrive_by, go
from worker.pages.reading import read, title_of
from worker.pages.results import Address, Loaded, PageTitle, Pending, Status
from worker.pages.settling import settle
from worker.pages.visits import Visit, Waits

HTML_MOST = 10_000_000
"""Characters of HTML that a step may give."""


@dataclass(frozen=True)
class PageState:
    """What the tab shows now."""

    url: Address
    title: PageTitle
    status: Status
    loaded: Loaded
    pending: Pending


@dataclass(frozen=True)
class PageAddress:
    """Where the tab is now."""

    url: Address
    title: PageTitle


@action
async def goto(
    action: ActionContext,
    url: Annotated[Url, Meta(description="Address of the page")],
    *,
    wait_until: WaitUntil = "load",
    settle_s: SettleS = 0.5,
    load_timeout_s: LoadTimeoutS = 15,
) -> PageState:
    """Open a page in the current tab, and wait until it has loaded and come to rest.

    Example:

    ```yaml
    - {action: goto, with: {url: "{{ input.site }}/catalogue"}}
    ```

    Limits:

    - An address with a user and a password is opened twice if a tab is open: to log in first.
    """
    is_later = action.session.has_page
    page = await action.page(url)
    waits = Waits(action.context.deadline, wait_until, settle_s, load_timeout_s)
    return await open_address(page, url, waits, is_later=is_later)


@action
async def reload(
    action: ActionContext,
    *,
    ignore_cache: Annotated[
        bool, Meta(description="Ask the server for everything anew, also for what is cached")
    ] = False,
    wait_until: WaitUntil = "load",
    settle_s: SettleS = 0.5,
    load_timeout_s: LoadTimeoutS = 15,
) -> PageState:
    """Load the current page anew.

    Example:

    ```yaml
    - {action: goto, with: {url: "{{ input.site }}/catalogue"}}
    - {action: reload, with: {ignore_cache: true}}
    ```
    """
    page = await action.page()
    waits = Waits(action.context.deadline, wait_until, settle_s, load_timeout_s)
    if not ignore_cache:
        return await _moved(page, page.reload(wait_until="commit", timeout=waits.left_ms), waits)
    cdp = await action.session.cdp(page)
    await cdp.send("Network.setCacheDisabled", {"cacheDisabled": True})
    try:
        return await _moved(page, page.reload(wait_until="commit", timeout=waits.left_ms), waits)
    finally:
        await cdp.send("Network.setCacheDisabled", {"cacheDisabled": False})


@action
async def back(
    action: ActionContext,
    *,
    wait_until: WaitUntil = "load",
    settle_s: SettleS = 0.5,
    load_timeout_s: LoadTimeoutS = 15,
) -> PageState:
    """Go back to the page before, like the browser's button.

    Example:

    ```yaml
    - {action: goto, with: {url: "{{ input.site }}/catalogue"}}
    - {action: goto, with: {url: "{{ input.site }}/catalogue/product/1"}}
    - {action: back}
    ```
    """
    page = await action.page()
    waits = Waits(action.context.deadline, wait_until, settle_s, load_timeout_s)
    await _has_entry(action, page, -1)
    return await _moved(page, page.go_back(wait_until="commit", timeout=waits.left_ms), waits)


@action
async def forward(
    action: ActionContext,
    *,
    wait_until: WaitUntil = "load",
    settle_s: SettleS = 0.5,
    load_timeout_s: LoadTimeoutS = 15,
) -> PageState:
    """Go forward to the page from which `back` came.

    Example:

    ```yaml
    - {action: goto, with: {url: "{{ input.site }}/catalogue"}}
    - {action: goto, with: {url: "{{ input.site }}/catalogue/product/1"}}
    - {action: back}
    - {action: forward}
    ```
    """
    page = await action.page()
    waits = Waits(action.context.deadline, wait_until, settle_s, load_timeout_s)
    await _has_entry(action, page, 1)
    return await _moved(page, page.go_forward(wait_until="commit", timeout=waits.left_ms), waits)


@action
async def get_url(action: ActionContext) -> PageAddress:
    """The address and the title of the page that the current tab shows.

    Example:

    ```yaml
    - {action: goto, with: {url: "{{ input.site }}/redirect/302"}}
    - {action: get_url}
    ```
    """
    page = await action.page()
    waits = Waits(action.context.deadline)
    with in_words("the page"):
        title = await read(Visit(page, page.url, None, waits), title_of)
    return PageAddress(page.url, title)


@action
async def set_content(
    action: ActionContext,
    html: Annotated[str, Meta(max_length=HTML_MOST, description="The document, or a part of one")],
    *,
    settle_s: SettleS = 0.5,
    load_timeout_s: LoadTimeoutS = 15,
) -> PageState:
    """Show this HTML in the current tab, in place of the document that is there.

    Example:

    ```yaml
    - {action: set_content, with: {html: "<title>Note</title><h1>Bring milk</h1>"}}
    ```

    Limits:

    - The address stays that of the page before: relative addresses and cookies are those of it.
    """
    page = await action.page()
    waits = Waits(action.context.deadline, "load", settle_s, load_timeout_s)
    setting = page.set_content(html, wait_until="commit", timeout=waits.left_ms)
    return await _moved(page, _without_answer(setting), waits)


async def _authenticate(page: Page, url: str, plain: str, waits: Waits) -> None:
    """Have the browser remember the user and password of `url`, so that `plain` opens with them.

    The tab's address would show them, and so would each relative address on the page.
    """
    try:
        await go(page, url, waits=waits)
    except PageUnreachable as cause:
        raise PageUnreachable(str(cause).replace(url, plain)) from None
    except Error:
        raise ActionFailed(f"{plain} cannot be opened with a user and a password") from None


async def _without_answer(setting: Awaitable[None]) -> None:
    """A change of the document that no server answers."""
    await setting


async def _moved(page: Page, going: Awaitable[Response | None], waits: Waits) -> PageState:
    with in_words(page.url):
        return await state_of(await arrive_by(page, page.url, going, waits=waits))


async def open_address(page: Page, url: str, waits: Waits, *, is_later: bool) -> PageState:
    """Open an address that may have a user name and a password.

    The first tab's context gets them as its own; `is_later` is whether the context was open before,
    which then has to be logged in. Raises ActionFailed.
    """
    without = without_credentials(url)
    with in_words(without):
        if is_later and without != url:
            await _authenticate(page, url, without, waits)
        return await state_of(await go(page, without, waits=waits))


async def state_of(visit: Visit) -> PageState:
    """What the visited page shows, once it has come to rest."""
    await settle(visit)
    title = await read(visit, title_of)
    return PageState(visit.page.url, title, visit.status, visit.loaded, visit.pending)


async def _has_entry(action: ActionContext, page: Page, step: int) -> None:
    """Raise ActionFailed if the tab's history has no page that many entries on."""
    cdp = await action.session.cdp(page)
    history = await cdp.send("Page.getNavigationHistory")
    entries, wanted = history["entries"], history["currentIndex"] + step
    # The empty page with which every tab begins is none that anyone was on.
    first = 1 if entries and entries[0]["url"] == "about:blank" else 0
    if not first <= wanted < len(entries):
        way, edge = ("back", "first") if step < 0 else ("forward", "last")
        raise ActionFailed(f"the tab cannot go {way}: {page.url} is the {edge} page that it had")
