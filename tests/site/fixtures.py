"""The site as a running thing. A conftest gets it by `from tests.site.fixtures import site`."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from aiohttp import web

from tests.site.app import HITS, make_site
from tests.site.markup import SENT
from tests.site.visitors import ARRIVALS, Arrival


@dataclass(frozen=True)
class Site:
    """The site while it runs, under two names that are two origins."""

    url: str
    other_url: str
    hits: Counter[str]
    sent: Counter[str]
    arrivals: list[Arrival]

    def at(self, path: str) -> str:
        """Return the address of a path that begins with a slash."""
        return self.url + path


@asynccontextmanager
async def running_site() -> AsyncIterator[Site]:
    """Run the site on a free port of 127.0.0.1."""
    app = make_site()
    # A visitor who leaves takes the answer along: endless ones end with their reader.
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=5, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        url, other_url = f"http://127.0.0.1:{port}", f"http://localhost:{port}"
        yield Site(url, other_url, app[HITS], app[SENT], app[ARRIVALS])
    finally:
        await runner.cleanup()


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    """The site for one test."""
    async with running_site() as site:
        yield site
