"""The site, a client of it, and a page to look at it."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from playwright.async_api import Browser, Page

from tests.harness.chromium import browser
from tests.site.fixtures import Site, site

__all__ = ["browser", "client", "page", "site"]


@pytest.fixture
async def client(site: Site) -> AsyncIterator[aiohttp.ClientSession]:
    """A client whose requests are relative to the site; it sends cookies to an address, too."""
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(site.url, cookie_jar=jar) as session:
        yield session


@pytest.fixture
async def page(browser: Browser) -> Page:
    """A fresh page of a fresh browser."""
    return await browser.new_page()
