"""The site and a client of it."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.site.fixtures import Site, site

__all__ = ["client", "site"]


@pytest.fixture
async def client(site: Site) -> AsyncIterator[aiohttp.ClientSession]:
    """A client whose requests are relative to the site; it sends cookies to an address, too."""
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(site.url, cookie_jar=jar) as session:
        yield session
