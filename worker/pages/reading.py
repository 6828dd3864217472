"""Reading a page that may move on meanwhile."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from playwright.async_api import Error, Page

from worker.pages.errors import PageUnreachable
from worker.pages.loading import moved_on, responsive, status_of
from worker.pages.settling import arrive, settle
from worker.pages.visits import Visit

T = TypeVar("T")

ATTEMPTS = 5
"""Attempts at a deed on a page that moves on each time."""


async def read(visit: Visit, deed: Callable[[Page], Awaitable[T]]) -> T:
    """Return what `deed` finds on the page; do it anew when the page moves on meanwhile.

    `deed` must only read. `visit` then describes the page that was read. Raises PageUnreachable
    when the page moves on each time, or does not respond before the deadline.
    """
    for attempt in range(1, ATTEMPTS + 1):
        url = visit.page.url
        try:
            found = await responsive(visit, deed(visit.page))
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
