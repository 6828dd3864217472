"""The site, a page of a real Chromium, and how long a visitor waits for pages."""

import pytest
from playwright.async_api import Browser, Page

from slotgrid.function import Deadline
from tests.harness.chromium import browser
from tests.site.fixtures import site
from worker.pages.visits import Waits

__all__ = ["browser", "page", "site", "waits"]


@pytest.fixture
async def page(browser: Browser) -> Page:
    """A fresh page of a fresh context."""
    return await (await browser.new_context()).new_page()


@pytest.fixture
def waits() -> Waits:
    """The limits that functions have by default, in a task of a minute."""
    return Waits(Deadline.after(60))
