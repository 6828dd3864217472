"""The site, and a page of a real Chromium to look at it."""

import pytest
from playwright.async_api import Browser, Page

from tests.harness.chromium import browser
from tests.site.fixtures import site

__all__ = ["browser", "page", "site"]


@pytest.fixture
async def page(browser: Browser) -> Page:
    """A fresh page of a fresh browser."""
    return await browser.new_page()
