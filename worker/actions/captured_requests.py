"""Requests of a browser context, kept as they end, with what was sent and answered."""

import asyncio
import base64
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any

from playwright.async_api import BrowserContext, Error, Request, Response

from slotgrid.core.deadlines import iso
from slotgrid.function import Meta
from worker.actions.browser_session import first_line
from worker.actions.url_patterns import matcher

BODIES_MOST = 20_000_000
"""Bytes of all bodies together that are kept."""
READ_MOST = 10_000_000
"""Bytes of a body, as it was sent, that is read at all."""
AT_ONCE = 4
"""Requests whose facts are read at once."""
FACTS_S = 5.0
"""Seconds for the facts of one request; the bodies of some streams never end."""
STOP_S = 10.0


@dataclass
class Exchange:
    """A request, and its answer if there was one. Times are in milliseconds."""

    method: str
    url: str
    type: Annotated[str, Meta(description="As `document`, `script`, `fetch`")]
    started_at: str
    status: int | None = None
    status_text: str | None = None
    failure: Annotated[str | None, Meta(description="Why there is no answer")] = None
    finished: Annotated[bool, Meta(description="False if it was still under way")] = False
    redirected_to: str | None = None
    duration_ms: float | None = None
    timings_ms: Annotated[
        dict[str, float],
        Meta(description="`dns`, `connect`, `tls`, `wait`, `receive`, where known"),
    ] = field(default_factory=dict)
    request_headers: dict[str, str] = field(default_factory=dict)
    response_headers: dict[str, str] = field(default_factory=dict)
    size: Annotated[int | None, Meta(description="Bytes of the body, as it was sent")] = None
    request_body: str | None = None
    body: str | None = None
    body_base64: Annotated[str | None, Meta(description="The body, if it is not text")] = None
    body_truncated: bool = False
    body_fault: Annotated[str | None, Meta(description="Why the body is missing")] = None


@dataclass(frozen=True)
class CaptureOptions:
    """Which requests are kept, and how much of them. `text_only` leaves other bodies out."""

    url: str | None = None
    include_bodies: bool = False
    text_only: bool = False
    max_body_bytes: int = 65536
    max_entries: int = 1000


class Capture:
    """Listens from its making to `stop`."""

    def __init__(self, context: BrowserContext, options: CaptureOptions) -> None:
        self._context = context
        self._options = options
        self._matcher = None if options.url is None else matcher(options.url)
        self._kept: dict[Request, Exchange] = {}
        self._began: dict[Request, float] = {}
        self._reading: set[asyncio.Task[None]] = set()
        self._places = asyncio.Semaphore(AT_ONCE)
        self._bodies_size = 0
        self.truncated = False
        self._listeners: dict[str, Callable[[Request], None]] = {
            "request": self._on_request,
            "requestfinished": self._on_finished,
            "requestfailed": self._on_failed,
        }
        for event, listener in self._listeners.items():
            context.on(event, listener)  # type: ignore[call-overload]  # one overload an event

    async def stop(self) -> list[Exchange]:
        """Stop listening, and give what was captured."""
        for event, listener in self._listeners.items():
            try:
                self._context.remove_listener(event, listener)
            except KeyError:  # removed already, as its event came too often
                self.truncated = True
        self._listeners.clear()
        if self._reading:
            _, late = await asyncio.wait(self._reading, timeout=STOP_S)
            for one in late:
                one.cancel()
            self.truncated = self.truncated or bool(late)
        for request, entry in self._kept.items():
            if not entry.finished and (response := request.existing_response) is not None:
                entry.status, entry.status_text = response.status, response.status_text
                entry.request_headers = request.headers
                entry.response_headers = response.headers
        return list(self._kept.values())

    def _on_request(self, request: Request) -> None:
        if self._matcher is not None and self._matcher.match(request.url) is None:
            return
        if len(self._kept) >= self._options.max_entries:
            self.truncated = True
            return
        self._began[request] = time.monotonic()
        self._kept[request] = Exchange(
            request.method, request.url, request.resource_type, iso(time.time()) or ""
        )
        if (before := request.redirected_from) in self._kept and before is not None:
            self._kept[before].redirected_to = request.url

    def _on_finished(self, request: Request) -> None:
        self._end(request, failed=False)

    def _on_failed(self, request: Request) -> None:
        self._end(request, failed=True)

    def _end(self, request: Request, *, failed: bool) -> None:
        entry = self._kept.get(request)
        if entry is None or entry.finished:
            return
        entry.finished = True
        entry.duration_ms = round((time.monotonic() - self._began.pop(request)) * 1000, 1)
        if failed:
            entry.failure = request.failure or "failed"
        reading = asyncio.create_task(self._read(request, entry), name="capture request")
        self._reading.add(reading)
        reading.add_done_callback(self._reading.discard)

    async def _read(self, request: Request, entry: Exchange) -> None:
        async with self._places:
            try:
                async with asyncio.timeout(FACTS_S):
                    await self._read_facts(request, entry)
            except Error as gone:
                entry.body_fault = entry.body_fault or first_line(gone)
            except TimeoutError:
                entry.body_fault = f"not read within {FACTS_S:g} s"

    async def _read_facts(self, request: Request, entry: Exchange) -> None:
        entry.request_headers = await request.all_headers()
        if self._options.include_bodies:
            entry.request_body = self._sent(request, entry)
        # Not awaited: a request that failed may never have one.
        response = request.existing_response
        if response is None:
            return
        entry.status, entry.status_text = response.status, response.status_text
        entry.response_headers = await response.all_headers()
        entry.timings_ms = _timings(request)
        if entry.failure is None:
            sizes = await request.sizes()
            entry.size = sizes["responseBodySize"]
            if self._options.include_bodies and entry.redirected_to is None:
                await self._read_body(response, entry)

    async def _read_body(self, response: Response, entry: Exchange) -> None:
        if 300 <= response.status < 400:
            return
        if (entry.size or 0) > READ_MOST:
            entry.body_truncated = True
            entry.body_fault = f"it has more than {READ_MOST} bytes"
            return
        body = await response.body()
        if not body and entry.size:  # one that a script has taken as a Blob, or a stream
            entry.body_fault = "Chromium did not keep it"
            return
        kept = body[: self._options.max_body_bytes]
        if self._bodies_size + len(kept) > BODIES_MOST:
            self.truncated = entry.body_truncated = True
            entry.body_fault = f"the bodies together have more than {BODIES_MOST} bytes"
            return
        entry.body_truncated = len(kept) < len(body)
        self._bodies_size += len(kept)
        text = _text_of(kept, cut=entry.body_truncated)
        if text is not None:
            entry.body = text
        elif self._options.text_only:
            entry.body_fault = "not text, and the task has secrets"
        else:
            entry.body_base64 = base64.b64encode(kept).decode()

    def _sent(self, request: Request, entry: Exchange) -> str | None:
        data = request.post_data_buffer
        if data is None:
            return None
        kept = data[: self._options.max_body_bytes]
        self._bodies_size += len(kept)
        if self._bodies_size > BODIES_MOST:
            self.truncated = True
            return None
        entry.body_truncated = len(kept) < len(data)
        return _text_of(kept, cut=entry.body_truncated)


def _text_of(data: bytes, *, cut: bool) -> str | None:
    """The text, if the bytes are one in UTF-8; without a character that is cut."""
    for left_out in range(4 if cut else 1):
        try:
            text = data[: len(data) - left_out].decode()
        except UnicodeDecodeError:
            continue
        return None if "\0" in text else text
    return None


def _timings(request: Request) -> dict[str, float]:
    """How long the phases of a request took, of those that Chromium knows."""
    timing: Any = request.timing
    phases = {
        "dns": ("domainLookupStart", "domainLookupEnd"),
        "connect": ("connectStart", "connectEnd"),
        "tls": ("secureConnectionStart", "connectEnd"),
        "wait": ("requestStart", "responseStart"),
        "receive": ("responseStart", "responseEnd"),
    }
    return {
        name: round(timing[end] - timing[begin], 2)
        for name, (begin, end) in phases.items()
        if timing[begin] >= 0 and timing[end] >= timing[begin]
    }
