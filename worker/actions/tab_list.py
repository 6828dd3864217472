"""The open tabs of a task's browser context, with an id for each."""

import asyncio
from dataclasses import dataclass
from itertools import count
from typing import Annotated
from weakref import WeakKeyDictionary

from playwright.async_api import BrowserContext, Error, Page

from slotgrid.function import Meta
from worker.actions.errors import ActionFailed

LISTED_MOST = 200
"""Tabs in a list; a page may open more."""
TITLE_S = 2.0
"""Seconds for a tab to give its title; one that is busy with a script gives none."""


@dataclass(frozen=True)
class Tab:
    """An open tab."""

    id: Annotated[str, Meta(description="Name of the tab for as long as it is open")]
    index: Annotated[int, Meta(description="Its place among the open tabs, oldest first, from 0")]
    url: str
    title: Annotated[str | None, Meta(description="null if the tab is too busy to answer")]
    current: Annotated[bool, Meta(description="Whether actions use this tab")]


@dataclass(frozen=True)
class TabList:
    """The open tabs, oldest first."""

    tabs: list[Tab]
    count: Annotated[int, Meta(description="How many tabs are open")]
    truncated: Annotated[bool, Meta(description=f"Whether more than {LISTED_MOST} are open")]


class Tabs:
    """Gives tabs their ids: `tab-1` is the oldest tab at the first look. One for each attempt."""

    def __init__(self) -> None:
        self._ids: WeakKeyDictionary[Page, str] = WeakKeyDictionary()
        self._numbers = count(1)

    def open_pages(self, context: BrowserContext) -> list[Page]:
        """The open tabs, oldest first; each has an id from now on."""
        pages = [page for page in context.pages if not page.is_closed()]
        for page in pages:
            if page not in self._ids:
                self._ids[page] = f"tab-{next(self._numbers)}"
        return pages

    def id_of(self, page: Page) -> str:
        """The id of a tab."""
        self.open_pages(page.context)
        return self._ids[page]

    def find(self, context: BrowserContext, *, id: str | None, index: int | None) -> Page:  # noqa: A002
        """The tab of that id, or at that place; -1 is the newest. Raises ActionFailed."""
        pages = self.open_pages(context)
        if id is not None:
            for page in pages:
                if self._ids[page] == id:
                    return page
            listed = ", ".join(self._ids[page] for page in pages[:LISTED_MOST])
            raise ActionFailed(f"no tab {id!r} is open; the open ones are {listed or 'none'}")
        assert index is not None
        if not -len(pages) <= index < len(pages):
            raise ActionFailed(f"no tab has the index {index}: {len(pages)} are open, from 0")
        return pages[index]

    async def listed(self, context: BrowserContext, current: Page | None) -> TabList:
        """The open tabs as a result."""
        pages = self.open_pages(context)
        shown = pages[:LISTED_MOST]
        titles = await asyncio.gather(*map(title_of, shown))
        tabs = [
            Tab(self._ids[page], index, page.url, title, page is current)
            for index, (page, title) in enumerate(zip(shown, titles, strict=True))
        ]
        return TabList(tabs, len(pages), len(pages) > len(shown))


async def title_of(page: Page) -> str | None:
    """The tab's title; None if the tab gives none in time."""
    try:
        async with asyncio.timeout(TITLE_S):
            return await page.title()
    except (Error, TimeoutError):
        return None
