"""Records out of pages."""

import json
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Literal

from slotgrid.function import Context, Deadline, Meta, function
from worker.pages.browser_options import Browser
from worker.pages.context_page import open_context_page, without_credentials
from worker.pages.elements import find
from worker.pages.growing import Growth, LeftPage, LoadMore, MaxRounds, Scroll
from worker.pages.inputs import LoadTimeoutS, Selector, SettleS, Url, WaitFor, WaitUntil
from worker.pages.loading import MAX_PENDING
from worker.pages.opening import open_page
from worker.pages.paging import next_page_of
from worker.pages.reading import read
from worker.pages.records import Field, Record, RecordReader, read_records
from worker.pages.results import Loaded, Pending
from worker.pages.settling import settle
from worker.pages.visits import Visit

RESERVE_S = 2.0
"""Seconds before the task's deadline at which reading stops, to hand over what it has."""

Fields = Annotated[
    dict[str, Selector | Field],
    Meta(
        min_length=1,
        max_length=100,
        description="Name of each field, and a CSS selector of its text or a rule",
        examples=[{"name": "h2", "link": {"selector": "a", "attribute": "href"}}],
    ),
]
StoppedBy = Literal["last-page", "max_pages", "max_records", "max_rounds", "deadline"]


@dataclass(frozen=True)
class Extraction:
    """The records in the order of the pages, how many pages, and why no further one was read.

    `loaded` is false when one of the pages had not loaded in time, so that records may be missing;
    `pending` lists the addresses that such pages were still waiting for.
    """

    records: Annotated[list[Record], Meta(description="One for each item, in page order")]
    pages: Annotated[int, Meta(description="Pages that were read")]
    stopped_by: Annotated[StoppedBy, Meta(description="Why no further page was read")]
    loaded: Loaded
    pending: Pending


@function(timeout_s=300, streaming=True)
async def extract(
    context: Context,
    url: Url,
    *,
    item: Annotated[Selector, Meta(description="CSS selector of what one record is made of")],
    fields: Fields,
    next_page: Annotated[
        Selector | None,
        Meta(description="CSS selector of the link or button that leads to the next page"),
    ] = None,
    load_more: LoadMore = None,
    scroll: Scroll = False,
    max_rounds: MaxRounds = 100,
    max_pages: Annotated[int, Meta(ge=1, le=1000)] = 10,
    max_records: Annotated[int, Meta(ge=1, le=100_000)] = 10_000,
    wait_until: WaitUntil = "load",
    wait_for: WaitFor = None,
    settle_s: SettleS = 0.5,
    load_timeout_s: LoadTimeoutS = 15,
    browser: Browser = None,
) -> Extraction:
    """Read records from a page, and from those that follow it; streams each as a line of JSON.

    A text is what a reader sees, in one line, with words of different blocks apart; an address is
    absolute. With `load_more` or `scroll` a page is read until nothing new comes, also a list that
    removes the rows that are out of sight. Ends before the task's deadline with what it has.

    Limits:

    - Selectors are CSS, without XPath; they reach into open shadow roots, not into closed ones or
      into frames.
    - A field is the first match, hidden or not: narrow the selector, or use `all`.
    - Case is as shown (`text-transform`); the text of `script` and `template` is their source.
    - Rows of a list that removes what is out of sight count once if they are alike in all fields.
    - A site that links to further pages without end is read up to `max_pages`.
    """
    await open_context_page(context, url, browser)
    records: list[Record] = []
    visited: set[str] = set()
    pages = 0
    loaded, pending = True, list[str]()
    stopped_by: StoppedBy = "last-page"
    visit: Visit | None = None
    address: str | None = without_credentials(url)
    while True:
        if address is not None:
            visited.add(address)
            visit = await open_page(
                context,
                address,
                wait_until=wait_until,
                wait_for=wait_for,
                settle_s=settle_s,
                load_timeout_s=load_timeout_s,
            )
        assert visit is not None  # the first page has an address
        room = max_records - len(records)
        if load_more is None and not scroll:
            found = await read(visit, lambda page: read_records(page, item, fields))
        else:
            growth = Growth(
                visit.page, watch=item, load_more=load_more, scroll=scroll, max_rounds=max_rounds
            )
            reader = RecordReader(visit.page, item, fields)
            found = await _grown(growth, reader, room, context.deadline)
            stopped_by = "max_rounds" if growth.ended_by == "max_rounds" else stopped_by
        loaded = loaded and visit.loaded
        pending += visit.pending
        pages += 1
        records += found[:room]
        if not found:
            await context.log(f"no element of {visit.page.url} matches {item!r}", "stderr")
        lines = [f"{json.dumps(record, ensure_ascii=False)}\n" for record in found[:room]]
        if lines:
            await context.stream("".join(lines))
        await context.progress(f"{len(records)} records from {pages} pages")
        if len(found) > room:
            stopped_by = "max_records"
            break
        if context.deadline.remaining_s <= RESERVE_S:
            stopped_by = "deadline"
            break
        following = await read(visit, partial(next_page_of, selector=next_page))
        if following is None:
            break
        address = following.address and without_credentials(following.address)
        if address in visited:
            break
        if pages == max_pages:
            stopped_by = "max_pages"
            break
        if address is None and not await _turned(visit, item, following.selector, wait_for):
            break
    return Extraction(records, pages, stopped_by, loaded, pending[:MAX_PENDING])


async def _grown(
    growth: Growth, reader: RecordReader, room: int, deadline: Deadline
) -> list[Record]:
    """Let a page grow until it has shown more than `room` records, and return them."""
    while await reader.note() <= room and deadline.remaining_s > RESERVE_S:
        if not await growth.more():
            break
    return await reader.noted()


async def _turned(visit: Visit, item: str, button: str, wait_for: str | None) -> bool:
    """Click the button to the next page; say whether the page then shows something else."""
    try:
        return await Growth(visit.page, watch=item, load_more=button).more()
    except LeftPage:
        await settle(visit)  # the button led to another document
        if wait_for is not None:
            await find(visit.page, wait_for, field="wait_for")
        return True
