"""Going to pages, and back and forth between them."""

from dataclasses import dataclass
from typing import Annotated

from slotgrid.function import Meta
from worker.actions.action import action
from worker.actions.action_context import ActionContext
from worker.pages.inputs import LoadTimeoutS, SettleS, Url, WaitUntil
from worker.pages.navigation import go
from worker.pages.reading import read, title_of
from worker.pages.results import Address, Loaded, PageTitle, Pending, Status
from worker.pages.settling import settle
from worker.pages.visits import Visit, Waits


@dataclass(frozen=True)
class PageState:
    """What the tab shows now."""

    url: Address
    title: PageTitle
    status: Status
    loaded: Loaded
    pending: Pending


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
    """
    page = await action.page()
    waits = Waits(action.context.deadline, wait_until, settle_s, load_timeout_s)
    visit = await go(page, url, waits=waits)
    await settle(visit)
    return await state_of(visit)


async def state_of(visit: Visit) -> PageState:
    """What the visited page shows."""
    title = await read(visit, title_of)
    return PageState(visit.page.url, title, visit.status, visit.loaded, visit.pending)
