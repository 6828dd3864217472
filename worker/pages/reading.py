"""Reading a page that may move on meanwhile."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from playwright.async_api import Error, Page

from worker.pages.navigation import Visit
from worker.pages.settling import settle

T = TypeVar("T")

ATTEMPTS = 5
"""Attempts at a deed on a page that moves on each time."""


async def read(visit: Visit, deed: Callable[[Page], Awaitable[T]]) -> T:
    """Return what `deed` finds on the page; do it anew when the page moves on meanwhile.

    `deed` must only read. `visit` then describes the page that was read.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return await deed(visit.page)
        except Error as error:
            if attempt == ATTEMPTS or not moved_on(error):
                raise
        await settle(visit)
    raise AssertionError("unreachable")


def moved_on(error: Error) -> bool:
    """Whether a call failed because the page showed another document meanwhile."""
    return "context was destroyed" in error.message or "is navigating" in error.message
