"""What a page is doing: its requests, and its navigations to other documents."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from playwright.async_api import Error, Frame, Page, Request, Response

QUIET_S = 0.5
"""Without a request for this long, a page has done what it was asked."""

ENDLESS = frozenset({"eventsource", "media", "ping", "prefetch", "websocket"})
"""Types of requests that do not count: they last as long as the page, or change nothing on it."""

LASTING = frozenset({"document", "fetch", "script", "xhr"})
"""Types of requests that can outlast a page's load, and change the page when they end."""


class Activity:
    """The requests of a page that are under way, from a moment on.

    `status` is the HTTP status of the last navigation that was answered, None without one.
    `navigation` is the request of the page's main frame that another document will answer.
    """

    def __init__(self, page: Page) -> None:
        self.status: int | None = None
        self.navigation: Request | None = None
        self._page = page
        self._under_way: set[Request] = set()
        self._changed = asyncio.Event()
        self._recalled: list[asyncio.Task[None]] = []

    @property
    def under_way(self) -> list[Request]:
        """The requests that have not ended, without those that never end by themselves."""
        return [one for one in self._under_way if one.resource_type not in ENDLESS]

    async def recall(self) -> None:
        """Add the requests that began before the watch, of types that outlast a page's load.

        Playwright remembers the last 100 requests of a page.
        """
        for request in await self._page.requests():
            if request not in self._under_way and (
                request.existing_response is None or request.resource_type in LASTING
            ):
                self._began(request)
                ending = self._end_of(request)
                self._recalled.append(asyncio.create_task(ending, name="end of a page's request"))

    async def changed(self) -> None:
        """Wait until a request begins or ends, or the page shows another document."""
        self._changed.clear()
        await self._changed.wait()

    async def quiet(self, *, at_most_s: float, quiet_s: float = QUIET_S) -> bool:
        """Wait until no request has moved for `quiet_s`; False when that took `at_most_s`."""
        loop = asyncio.get_running_loop()
        end = loop.time() + at_most_s
        while (left := end - loop.time()) > 0:
            busy = bool(self.under_way)
            try:
                await asyncio.wait_for(self.changed(), left if busy else min(quiet_s, left))
            except TimeoutError:
                return not self.under_way
        return False

    def _began(self, request: Request) -> None:
        self._under_way.add(request)
        if self._is_navigation(request):
            self.navigation = request
        self._changed.set()

    def _ended(self, request: Request) -> None:
        self._under_way.discard(request)
        if request is self.navigation:
            self.navigation = None
        self._changed.set()

    def _answered(self, response: Response) -> None:
        if self._is_navigation(response.request):
            self.status = response.status

    def _navigated(self, frame: Frame) -> None:
        # Also for a move within the document: then the navigation is still to be answered.
        navigation = self.navigation
        if frame is self._page.main_frame and navigation and navigation.existing_response:
            self.navigation = None
        self._changed.set()

    def _is_navigation(self, request: Request) -> bool:
        if not request.is_navigation_request():
            return False
        try:
            return request.frame is self._page.main_frame
        except Error:  # a frame that is still being made, so not the main one
            return False

    async def _end_of(self, request: Request) -> None:
        with suppress(Error):  # of one that failed
            await request.sizes()  # known once the request has ended
        self._ended(request)

    def _listeners(self) -> dict[str, Callable[..., Any]]:
        return {
            "request": self._began,
            "requestfinished": self._ended,
            "requestfailed": self._ended,
            "response": self._answered,
            "framenavigated": self._navigated,
        }

    def _forget(self) -> None:
        for ending in self._recalled:
            ending.cancel()


@asynccontextmanager
async def watch(page: Page) -> AsyncIterator[Activity]:
    """Watch the page's requests for the length of the block.

    A listener costs a page some 0.3 ms for each request: watch it from its load on, not before.
    """
    activity = Activity(page)
    listeners = activity._listeners()
    for event, listener in listeners.items():
        page.on(event, listener)  # type: ignore[call-overload]  # one overload an event
    try:
        yield activity
    finally:
        for event, listener in listeners.items():
            page.remove_listener(event, listener)
        activity._forget()
