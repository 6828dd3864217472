"""Reading a page that may move on meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from playwright.async_api import Error, Page

from worker.pages.errors import PageUnreachable
from worker.pages.loading import MOVED_ON, moved_on, responsive, status_of
from worker.pages.settling import arrive, settle
from worker.pages.visits import Visit

T = TypeVar("T")

_DOCUMENT = "performance.timeOrigin"
"""Script that gives when the document's navigation began: no two documents of a page share it."""

ATTEMPTS = 5
"""Attempts at a deed on a page that moves on each time."""


async def title_of(page: Page) -> str:
    """The title of the document that `page` shows.

    Playwright's own answer is `Loading` and an address while the next document is on its way.
    """
    title: str = await page.evaluate("document.title")
    return title


async def read(visit: Visit, deed: Callable[[Page], Awaitable[T]]) -> T:
    """Return what `deed` finds on the page; do it anew when the page moves on meanwhile.

    `deed` must only read: a picture of one document and the title of the next would be no answer.
    `visit` then describes the page that was read. Raises PageUnreachable
    when the page moves on each time, or does not respond before the deadline.
    """
    for attempt in range(1, ATTEMPTS + 1):
        url = visit.page.url
        try:
            found = await _read_once(visit, deed)
        except Error as error:
            if not moved_on(error):
                raise
            if attempt == ATTEMPTS:
                raise PageUnreachable(
                    f"{url} moved on {ATTEMPTS} times while it was read"
                ) from error
            await arrive(visit)
            await settle(visit)
            continue
        if visit.page.url != url:
            with suppress(Error):
                visit.status = await status_of(visit)
        return found
    raise AssertionError("every attempt returns, raises or is followed by another")


async def _read_once(visit: Visit, deed: Callable[[Page], Awaitable[T]]) -> T:
    """Return what `deed` finds. Raises Error when the page moves on meanwhile."""
    # Not awaited first: the limits of the deed hold for a page that does not respond.
    before = asyncio.ensure_future(visit.page.evaluate(_DOCUMENT))
    try:
        await asyncio.sleep(0)  # so that the question is sent first
        found = await responsive(visit, deed(visit.page))
        if await responsive(visit, visit.page.evaluate(_DOCUMENT)) != await before:
            raise Error(MOVED_ON)
        return found
    finally:
        before.cancel()
        await asyncio.gather(before, return_exceptions=True)
