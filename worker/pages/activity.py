"""What a page is doing: its requests, and its navigations to other documents."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from playwright.async_api import Error, Frame, Page, Request, Response

QUIET_S = 0.5
"""Without a request for this long, a page has done what it was asked."""

ENDLESS = frozenset({"eventsource", "media", "ping", "prefetch", "websocket"})
"""Types of requests that do not count: they last as long as the page, or change nothing on it."""

LASTING = frozenset({"fetch", "script", "xhr"})
"""Types of requests that can outlast a page's load, and change the page when they end."""

_LOOK_AGAIN_S = 1.0
_REDIRECTS = range(300, 400)


class Activity:
    """The requests of a page from a moment on.

    `response` is the answer to the last navigation of the page itself, None without one.
    `navigation` is the request for the document that the page moves on to, while that is on its
    way. `failed` holds the requests that failed. If so many requests come that the worker removes
    the listeners, requests that have ended may count as under way: bound every wait.
    """

    def __init__(self, page: Page) -> None:
        self.response: Response | None = None
        self.navigation: Request | None = None
        self.failed: list[Request] = []
        self._page = page
        self._under_way: dict[Request, None] = {}
        self._moved_at = time.monotonic()
        self._changed = asyncio.Event()
        self._recalled: list[asyncio.Task[None]] = []

    @property
    def status(self) -> int | None:
        """The HTTP status of the last navigation, None without one."""
        return None if self.response is None else self.response.status

    @property
    def all_under_way(self) -> list[Request]:
        """The requests that have not ended, oldest first."""
        return list(self._under_way)

    @property
    def under_way(self) -> list[Request]:
        """The same without those that never end by themselves."""
        return [one for one in self._under_way if one.resource_type not in ENDLESS]

    @property
    def quiet_for_s(self) -> float:
        """Seconds since a request began or ended."""
        return time.monotonic() - self._moved_at

    async def recall(self, *, every_type: bool = False) -> None:
        """Add requests that began before the watch: those that can outlast a page's load, or all.

        Playwright remembers the last 100 requests of a page. Those that have ended are removed
        again within milliseconds.
        """
        for request in await self._page.requests():
            unanswered = request.existing_response is None
            if (
                request in self._under_way
                or request.failure is not None
                or not (every_type or unanswered or request.resource_type in LASTING)
            ):
                continue
            self._under_way[request] = None
            if unanswered and is_navigation(request, self._page):
                self.navigation = request
            self._recalled.append(
                asyncio.create_task(self._await_end(request), name="end of a page's request")
            )

    async def changed(self) -> None:
        """Wait until a request begins or ends, or the page navigates."""
        self._changed.clear()
        await self._changed.wait()

    async def quiet(self, *, at_most_s: float, quiet_s: float = QUIET_S) -> bool:
        """Wait until no request has moved for `quiet_s`; False when that took `at_most_s`."""
        end = time.monotonic() + at_most_s
        while (left_s := end - time.monotonic()) > 0:
            limit_s = left_s if self.under_way else min(quiet_s, left_s)
            try:
                await asyncio.wait_for(self.changed(), limit_s)
            except TimeoutError:
                return not self.under_way
        return False

    async def idle(self, *, at_most_s: float) -> None:
        """Wait until no request is under way, or a navigation is, at most `at_most_s`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(at_most_s):
                while self.under_way and self.navigation is None:
                    await self.changed()

    async def navigates(self) -> None:
        """Wait until the page begins to move on to another document."""
        while self.navigation is None:
            await self.changed()

    async def arrives(self) -> None:
        """Wait until the navigation under way has shown its document, or has failed."""
        while (navigation := self.navigation) is not None:
            try:
                await asyncio.wait_for(self.changed(), _LOOK_AGAIN_S)
            except TimeoutError:
                # The worker may have removed a listener, or the answer brought no document.
                if self.navigation is navigation and _is_over(navigation):
                    return

    async def _await_end(self, request: Request) -> None:
        with suppress(Error):  # of one that failed
            await request.sizes()  # known once the request has ended
        self._under_way.pop(request, None)
        self._changed.set()

    def _on_request(self, request: Request) -> None:
        self._under_way[request] = None
        if is_navigation(request, self._page):
            self.navigation = request
        self._note()

    def _on_response(self, response: Response) -> None:
        if is_navigation(response.request, self._page):
            self.response = response

    def _on_finished(self, request: Request) -> None:
        self._under_way.pop(request, None)
        self._note()

    def _on_failed(self, request: Request) -> None:
        self.failed.append(request)
        if request is self.navigation:
            self.navigation = None
        self._on_finished(request)

    def _on_navigated(self, frame: Frame) -> None:
        # A page can also navigate inside its document, while another one is on its way.
        navigation = self.navigation
        if navigation and navigation.existing_response and frame is self._page.main_frame:
            self.navigation = None
        self._note()

    def _note(self) -> None:
        self._moved_at = time.monotonic()
        self._changed.set()

    def _listeners(self) -> dict[str, Callable[..., Any]]:
        return {
            "request": self._on_request,
            "response": self._on_response,
            "requestfinished": self._on_finished,
            "requestfailed": self._on_failed,
            "framenavigated": self._on_navigated,
        }

    async def _forget(self) -> None:
        for ending in self._recalled:
            ending.cancel()
        await asyncio.gather(*self._recalled, return_exceptions=True)


@asynccontextmanager
async def watch(page: Page) -> AsyncIterator[Activity]:
    """Watch the page's requests for the length of the block.

    Each request costs a fraction of a millisecond then, a fifth of the load of a page with many
    pictures: watch a page after its load, with `recall` for what is still under way.
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
        await activity._forget()


def is_navigation(request: Request, page: Page) -> bool:
    """Whether the page itself, not a frame in it, shows the answer to a request."""
    if not request.is_navigation_request():
        return False
    try:
        return request.frame is page.main_frame
    except Error:  # a frame that does not exist yet, so not the main one
        return False


def _is_over(navigation: Request) -> bool:
    """Whether nothing more comes of a navigation's request, a redirect's next one included."""
    if navigation.failure is not None:
        return True
    response = navigation.existing_response
    if response is None or response.status in _REDIRECTS:
        return False
    return navigation.timing["responseEnd"] != -1
