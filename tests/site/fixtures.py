"""The site as a running thing. A conftest gets it by `from tests.site.fixtures import site`."""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from aiohttp import web

from tests.site.app import HITS, make_site
from tests.site.markup import SENT


@dataclass(frozen=True)
class Site:
    """The site while it runs, under two names that are two origins."""

    url: str
    other_url: str
    hits: Counter[str]
    sent: Counter[str]

    def at(self, path: str) -> str:
        """Return the address of a path that begins with a slash."""
        return self.url + path


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    """Run the site on a free port of 127.0.0.1 for one test."""
    app = make_site()
    # A visitor who leaves takes the answer along: endless ones end with their reader.
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=5, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        yield Site(f"http://127.0.0.1:{port}", f"http://localhost:{port}", app[HITS], app[SENT])
    finally:
        await runner.cleanup()
