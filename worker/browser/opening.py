"""Opens a context with its first page: bounded in time, and again after one failure."""

import asyncio
import functools
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from playwright.async_api import Browser, BrowserContext, Page
from playwright.async_api import Error as PlaywrightError

from worker.browser.bounded_wait import consume, done_within
from worker.browser.errors import ContextOptionsRefused, TabNotOpened, is_crash
from worker.browser.time_limits import Limits

T = TypeVar("T")
OPEN_TRIES = 2


async def open_with_page(
    browser: Browser,
    options: Mapping[str, Any],
    *,
    ping: Callable[[], asyncio.Future[bool]],
    limits: Limits,
) -> tuple[BrowserContext, Page]:
    """A new context with one page, of a browser whose contexts are limited (see below).

    `options` as in Playwright's `new_context`.
    `ping` probes the browser after a failure, as in `BrowserProcess`. Raises ContextOptionsRefused,
    or PlaywrightError if the browser ends or its tab fails.
    """
    # Retried, as the first error may be an older one that the connection stored for its next call.
    for attempt in range(1, OPEN_TRIES + 1):
        context = None
        try:
            context = await _in_time(browser.new_context(**options), limits.open_s)
            return context, await context.new_page()
        except Exception as cause:
            probe = ping()
            if not await done_within(probe, limits.ping_s) or not probe.result():
                raise PlaywrightError("the browser ended while a context was opened") from cause
            if context is not None:
                closing = asyncio.ensure_future(context.close())
                closing.add_done_callback(consume)
            if attempt == OPEN_TRIES and isinstance(cause, TimeoutError | TabNotOpened):
                raise PlaywrightError("the tab did not open in time") from cause
            if attempt == OPEN_TRIES and is_crash(cause):
                raise PlaywrightError("the tab crashed while it was opened") from cause
            if attempt == OPEN_TRIES:
                raise ContextOptionsRefused.by_playwright(cause) from cause
    raise AssertionError("the last attempt returns or raises")


def limit_new_contexts(browser: Browser, seconds: float) -> None:
    """Limit `new_page` of the contexts that a function opens itself, as `limit_new_pages` does."""

    @functools.wraps(browser.new_context)
    async def new_context(**options: Any) -> BrowserContext:
        context = await type(browser).new_context(browser, **options)
        limit_new_pages(context, seconds)
        return context

    browser.new_context = new_context  # type: ignore[method-assign]


def limit_new_pages(context: BrowserContext, seconds: float) -> None:
    """Let `context.new_page` raise TabNotOpened after `seconds`.

    If the renderer is killed while its tab opens, Playwright may never respond.
    """
    opens = context.new_page

    @functools.wraps(opens)
    async def new_page() -> Page:
        try:
            return await _in_time(opens(), seconds)
        except TimeoutError:
            raise TabNotOpened(seconds) from None

    context.new_page = new_page  # type: ignore[method-assign]


async def _in_time(call: Awaitable[T], seconds: float) -> T:
    """The result of a Playwright call. Raises TimeoutError."""
    answer = asyncio.ensure_future(call)
    answer.add_done_callback(consume)
    try:
        in_time = await done_within(answer, seconds)
    except asyncio.CancelledError:
        answer.cancel()
        raise
    if not in_time:
        raise TimeoutError
    return answer.result()
