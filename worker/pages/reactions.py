"""What a page does after a press: whether a form was really sent, and where its answer is."""

import asyncio
import json
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import quote, quote_plus, urlsplit

from playwright.async_api import Download, Error, Frame, Page, Request, Response

from worker.pages.errors import PageUnreachable
from worker.pages.faults import failure_reason
from worker.pages.visible_text import READER

Followed = Literal["page", "tab", "download", "request", "route", "change"]
"""What followed a press, the first that applies: a file; another document in the page or in the
frame of the form; a new tab; a request of a script; another address without a request; another text
on the page."""

SENT: frozenset[Followed | None] = frozenset({"page", "tab", "download", "request", "route"})
"""After these a form counts as sent. A page that only changes its text may have refused it."""

_SCRIPTED = frozenset({"fetch", "xhr"})
_CLOCK = re.compile(r"\d{10,}")
"""Times in addresses, which differ each time that a page asks for the same."""
_TELLING_CHARS = 2
"""Shorter values occur in any request: they prove nothing."""
_READS, _READ_S = 3, 5.0
_TEXT = f"() => ({READER})().lines(document.body ?? document.documentElement)"


class Reaction:
    """Watches a page for the length of the block.

    A request of a script counts if it carries one of `values`, or if it is no GET, goes to the
    page's own site and was not made in the same way before: a page's counters, statistics and
    regular questions do neither.
    """

    def __init__(self, page: Page, frame: Frame, values: Iterable[str]) -> None:
        self.tab: Page | None = None
        self.download: Download | None = None
        self._page = page
        self._frame = frame
        self._forms = {
            form for value in values if len(value) >= _TELLING_CHARS for form in _forms(value)
        }
        self._earlier: set[tuple[str, str, bytes]] = set()
        self._statuses: dict[Frame | None, int] = {}
        self._navigated: Frame | None = None
        self._failure: tuple[str, str] | None = None
        self._inner: Frame | None = None
        self._requested = False
        self._quietly: Literal["route", "change"] | None = None
        self._before = ("", "")
        self._happened = asyncio.Event()

    @property
    def followed(self) -> Followed | None:
        """What followed so far; `route` and `change` since the last `compare`."""
        if self.download is not None:
            return "download"
        if self._navigated is not None:
            return "page"
        if self.tab is not None:
            return "tab"
        return "request" if self._requested else self._quietly

    @property
    def answer(self) -> Frame:
        """The document that has the answer: a new tab, the page, or a frame that is seen."""
        if self.followed == "tab" and self.tab is not None and not self.tab.is_closed():
            return self.tab.main_frame
        if self._navigated is self._page.main_frame or self._frame.is_detached():
            return self._page.main_frame
        if self._navigated is None and self._inner is not None:
            return self._inner
        return self._frame

    @property
    def status(self) -> int | None:
        """The HTTP status of the document or file that followed."""
        if self.followed == "tab":
            return self._statuses.get(None)
        if self.followed == "download":
            return next(reversed(self._statuses.values()), None)
        return self._statuses.get(self.answer)

    async def __aenter__(self) -> Self:
        self._before = await self._state()
        self._earlier = {_signature(request) for request in await self._page.requests()}
        for event, listener in self._listeners().items():
            self._page.context.on(event, listener)  # type: ignore[call-overload]  # one an event
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for event, listener in self._listeners().items():
            self._page.context.remove_listener(event, listener)

    async def within(self, seconds: float) -> bool:
        """Wait until something follows; False if nothing does."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._happened.wait(), seconds)
        return self._happened.is_set()

    def carried(self, messages: Iterable[str]) -> None:
        """Note the messages that the page's scripts sent into WebSockets."""
        if any(self._carries(message) for message in messages):
            self._note_request()

    async def loaded(self, *, at_most_s: float) -> bool:
        """Wait until a new tab has loaded; False if it has not.

        Raises PageUnreachable if the answer could not be loaded.
        """
        loaded = True
        if self.tab is not None and not self.tab.is_closed():
            try:
                await self.tab.wait_for_load_state(timeout=at_most_s * 1000)
            except Error:
                loaded = self.tab.is_closed()
        if self._inner is not None and not await _is_seen(self._inner):
            self._inner = None
        if self._failure is not None and self.download is None:
            url, reason = self._failure
            raise PageUnreachable(f"the form was sent to {url}, but no answer came: {reason}")
        return loaded

    async def compare(self) -> None:
        """Compare the address and the text of the form's document with those before the press."""
        with suppress(Error):  # of a document that is gone
            url, text = await self._state()
            if url.rstrip("#") != self._before[0].rstrip("#"):
                self._quietly = "route"
            elif text != self._before[1]:
                self._quietly = "change"

    async def _state(self) -> tuple[str, str]:
        return self._frame.url, await self._frame.evaluate(_TEXT)

    def _listeners(self) -> dict[str, Any]:
        return {
            "request": self._on_request,
            "response": self._on_response,
            "requestfailed": self._on_failure,
            "page": self._on_page,
            "download": self._on_download,
        }

    def _on_request(self, request: Request) -> None:
        if not request.url.startswith("http"):
            return  # a mail, a call, or data of the page itself
        if request.is_navigation_request():
            frame = _frame_of(request)
            if frame in {self._page.main_frame, self._frame}:
                self._navigated = frame
                self._happened.set()
                return
            if frame is None or frame.page is not self._page:
                return  # of a new tab, which `_on_page` notes
            new = request.method != "GET"
            if new or self._carries(request.url):
                self._inner = frame
        else:
            new = (
                request.method != "GET"
                and request.resource_type in _SCRIPTED
                and _same_site(request.url, self._page.url)
                and _signature(request) not in self._earlier
            )
        if new or self._carries(request.url) or self._carries(_body_of(request)):
            self._note_request()

    def _note_request(self) -> None:
        self._requested = True
        self._happened.set()

    def _on_response(self, response: Response) -> None:
        if response.request.is_navigation_request():
            frame = _frame_of(response.request)
            new = frame is None or frame.page is not self._page
            self._statuses.pop(None if new else frame, None)
            self._statuses[None if new else frame] = response.status

    def _on_failure(self, request: Request) -> None:
        failure = request.failure or ""
        # Aborted: by a download, a 204, or a newer navigation.
        if request.is_navigation_request() and "ERR_ABORTED" not in failure:
            frame = _frame_of(request)
            if frame is None or frame in {self._page.main_frame, self._frame}:
                self._failure = request.url, failure_reason(failure) or failure

    def _on_page(self, page: Page) -> None:
        self.tab = self.tab or page
        self._happened.set()

    def _on_download(self, download: Download) -> None:
        self.download = self.download or download
        self._happened.set()

    def _carries(self, data: str | bytes) -> bool:
        content = data.encode(errors="replace") if isinstance(data, str) else data
        return any(form in content for form in self._forms)


async def shown_by(frame: Frame) -> tuple[str, str]:
    """The title and the text of a document; once more if it moves on meanwhile."""
    for _ in range(_READS):
        with suppress(Error):
            await frame.wait_for_load_state("domcontentloaded", timeout=_READ_S * 1000)
            return await frame.title(), await frame.evaluate(_TEXT)
    return await frame.title(), await frame.evaluate(_TEXT)


async def _is_seen(frame: Frame) -> bool:
    try:
        return await (await frame.frame_element()).is_visible()
    except Error:
        return False


def _forms(value: str) -> Sequence[bytes]:
    """How a value appears in a request: in an address, a form or JSON."""
    texts = (value, quote(value, safe=""), quote_plus(value), json.dumps(value)[1:-1])
    return [
        text.encode(errors="replace")
        for text in (*texts, json.dumps(value, ensure_ascii=False)[1:-1])
    ]


def _signature(request: Request) -> tuple[str, str, bytes]:
    return request.method, _CLOCK.sub("#", request.url), _body_of(request)


def _body_of(request: Request) -> bytes:
    with suppress(Error):
        return request.post_data_buffer or b""
    return b""


def _frame_of(request: Request) -> Frame | None:
    """The frame of a request; None for one that is still being made, as of a new tab."""
    try:
        return request.frame
    except Error:
        return None


def _same_site(url: str, other: str) -> bool:
    one, two = urlsplit(url).hostname or "", urlsplit(other).hostname or ""
    return one == two or (not one[-1:].isdigit() and one.split(".")[-2:] == two.split(".")[-2:])
