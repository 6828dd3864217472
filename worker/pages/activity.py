"""Waiting for what a deed sets off: the requests and the navigations of a page."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Page, Request, Response

QUIET_S = 0.5
"""Without a request for this long, a page has done what it was asked."""


class Aftermath:
    """The requests of a page from a moment on. `status` is that of its last navigation, if any."""

    def __init__(self, page: Page) -> None:
        self.status: int | None = None
        self._page = page
        self._under_way: set[Request] = set()
        self._changed = asyncio.Event()

    def began(self, request: Request) -> None:
        """Note a request."""
        self._under_way.add(request)
        self._changed.set()

    def ended(self, request: Request) -> None:
        """Note the end of a request, good or bad."""
        self._under_way.discard(request)
        self._changed.set()

    def answered(self, response: Response) -> None:
        """Note the status of a navigation of the page itself."""
        request = response.request
        if request.is_navigation_request() and request.frame is self._page.main_frame:
            self.status = response.status

    async def settled(self, *, at_most_s: float) -> bool:
        """Wait until nothing has moved for `QUIET_S`; False when that took `at_most_s`."""
        loop = asyncio.get_running_loop()
        end = loop.time() + at_most_s
        while (left := end - loop.time()) > 0:
            self._changed.clear()
            try:
                await asyncio.wait_for(
                    self._changed.wait(), left if self._under_way else min(QUIET_S, left)
                )
            except TimeoutError:
                return not self._under_way
        return False


@asynccontextmanager
async def aftermath(page: Page) -> AsyncIterator[Aftermath]:
    """Watch the page's requests for the length of the block."""
    watched = Aftermath(page)
    listeners = {
        "request": watched.began,
        "requestfinished": watched.ended,
        "requestfailed": watched.ended,
        "response": watched.answered,
    }
    for event, listener in listeners.items():
        page.on(event, listener)  # type: ignore[call-overload]  # one overload an event
    try:
        yield watched
    finally:
        for event, listener in listeners.items():
            page.remove_listener(event, listener)
