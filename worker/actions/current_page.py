"""The current tab as a visit, for what reads pages."""

from playwright.async_api import Page

from worker.actions.action_context import ActionContext
from worker.pages.visits import Visit, Waits


async def visit_of(action: ActionContext, page: Page | None = None) -> Visit:
    """The current tab, or `page`, as it is now: nothing is waited for."""
    page = page or await action.page()
    return Visit(page, page.url, None, Waits(action.context.deadline, settle_s=0))
