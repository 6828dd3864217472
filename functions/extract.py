"""Records out of pages."""

import json
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Literal

from playwright.async_api import Page

from slotgrid.function import Context, Meta, function
from worker.pages.browser_options import Browser
from worker.pages.context_page import open_context_page, without_credentials
from worker.pages.inputs import LoadTimeoutS, Selector, SettleS, Url, WaitFor, WaitUntil
from worker.pages.navigation import MAX_PENDING
from worker.pages.opening import open_page
from worker.pages.reading import read
from worker.pages.results import Loaded, Pending

from ._records import Field, Record, read_records

Fields = Annotated[
    dict[str, Selector | Field],
    Meta(
        min_length=1,
        max_length=100,
        description="Name of each field, and a CSS selector of its text or a rule",
        examples=[{"name": "h2", "link": {"selector": "a", "attribute": "href"}}],
    ),
]


@dataclass(frozen=True)
class Extraction:
    """The records in the order of the pages, how many pages, and why no further one was read.

    `loaded` is false when one of the pages had not loaded in time, so that records may be missing;
    `pending` lists the addresses that such pages were still waiting for.
    """

    records: Annotated[list[Record], Meta(description="One for each item, in page order")]
    pages: Annotated[int, Meta(description="Pages that were read")]
    stopped_by: Annotated[
        Literal["last-page", "max_pages", "max_records"],
        Meta(description="Why no further page was read"),
    ]
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
        Selector | None, Meta(description="CSS selector of the link to the next page")
    ] = None,
    max_pages: Annotated[int, Meta(ge=1, le=1000)] = 10,
    max_records: Annotated[int, Meta(ge=1, le=100_000)] = 10_000,
    wait_until: WaitUntil = "load",
    wait_for: WaitFor = None,
    settle_s: SettleS = 0.5,
    load_timeout_s: LoadTimeoutS = 15,
    browser: Browser = None,
) -> Extraction:
    """Read records from a page, and from those that follow it; streams each as a line of JSON."""
    await open_context_page(context, url, browser)
    records: list[Record] = []
    visited: set[str] = set()
    loaded, pending = True, list[str]()
    address: str | None = without_credentials(url)
    stopped_by: Literal["last-page", "max_pages", "max_records"] = "last-page"
    while address is not None and address not in visited:
        if len(visited) == max_pages:
            stopped_by = "max_pages"
            break
        visited.add(address)
        visit = await open_page(
            context,
            address,
            wait_until=wait_until,
            wait_for=wait_for,
            settle_s=settle_s,
            load_timeout_s=load_timeout_s,
        )
        found = await read(visit, lambda page: read_records(page, item, fields))
        loaded = loaded and visit.loaded
        pending += visit.pending
        room = max_records - len(records)
        records += found[:room]
        lines = [f"{json.dumps(record, ensure_ascii=False)}\n" for record in found[:room]]
        if lines:
            await context.stream("".join(lines))
        await context.progress(f"{len(records)} records from {len(visited)} pages")
        if len(found) > room:
            stopped_by = "max_records"
            break
        address = await read(visit, partial(_address_of, link=next_page)) if next_page else None
    return Extraction(records, len(visited), stopped_by, loaded, pending[:MAX_PENDING])


async def _address_of(page: Page, link: str) -> str | None:
    """Return where the first link that matches leads, without its fragment; None without one."""
    found = await read_records(page, link, {"href": Field(attribute="href")})
    href = found[0]["href"] if found else None
    if not isinstance(href, str) or not href.startswith("http"):
        return None
    return without_credentials(href.split("#")[0])
