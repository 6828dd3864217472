"""What a crawl makes of busy hosts, downloads, late links, and pages that do harm."""

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.async_api import Error, async_playwright

from functions import _crawler, _pace
from functions.crawl import Crawl, crawl
from slotgrid.core.deadlines import Deadline
from slotgrid.runtime.setting_choices import BrowserKind
from tests.functions.fakes import RecordingContext
from tests.site.fixtures import Site
from tests.site.transfers import MIB
from worker.browser.launch import LaunchPlan


def paths(crawled: Crawl, site: Site) -> list[str]:
    """The addresses that were visited, relative to the site."""
    return [page.url.removeprefix(site.url) for page in crawled.pages]


@pytest.mark.parametrize("query", ["status=429&retry_after=1", "status=503&date_in_s=2"])
async def test_a_busy_host_is_asked_again_when_it_says(
    context: RecordingContext, site: Site, query: str
) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    crawled = await crawl(context, site.at(f"/crawl/limited/a?{query}"), delay_s=0)
    assert loop.time() - began >= 1
    first = crawled.pages[0]
    assert (first.status, first.title, first.attempts, first.error) == (200, "Limited a", 2, None)
    assert paths(crawled, site)[1:] == ["/crawl/leaf/after"]
    assert site.hits["/crawl/limited/a"] == 2
    assert any("limits requests" in (text or "") for _, text, _ in context.events)


async def test_a_page_that_stays_busy_is_recorded_with_its_attempts(
    context: RecordingContext, site: Site
) -> None:
    busy = quote("/crawl/limited/b?times=9&retry_after=0")
    crawled = await crawl(context, site.at(f"/crawl/links?to={busy}"), delay_s=0)
    page = crawled.pages[1]
    assert (page.status, page.attempts) == (429, _pace.MAX_ATTEMPTS)
    assert "answered 429 to 3 attempts" in (page.error or "")
    assert site.hits["/crawl/limited/b"] == _pace.MAX_ATTEMPTS
    assert site.hits["/crawl/leaf/busy"] == 0
    assert (crawled.stopped_by, crawled.failed) == ("finished", 1)


async def test_a_wait_longer_than_the_crawl_may_take_ends_it(
    context: RecordingContext, site: Site
) -> None:
    context.deadline = Deadline.after(30)
    start = site.at("/crawl/limited/c?times=9&retry_after=40")
    crawled = await crawl(context, start, delay_s=0)
    assert (crawled.stopped_by, crawled.retry_after_s) == ("rate-limited", 40)
    assert [(page.status, page.attempts) for page in crawled.pages] == [(429, 1)]
    assert "answered 429 to 1 attempt:" in (crawled.pages[0].error or "")


async def test_a_host_that_refuses_page_after_page_ends_the_crawl(
    context: RecordingContext, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_pace, "SLOWER_S", (0.01, 0.01))
    busy = [quote(f"/crawl/limited/{number}?times=9&retry_after=0") for number in range(9)]
    start = site.at(f"/crawl/links?to={'&to='.join(busy)}")
    crawled = await crawl(context, start, delay_s=0)
    assert len(crawled.pages) == 1 + _crawler.MAX_LIMITED_PAGES
    assert (crawled.stopped_by, crawled.retry_after_s) == ("rate-limited", 0)


@pytest.mark.parametrize("kind", BrowserKind)
async def test_downloads_are_recorded_and_not_fetched(
    site: Site, tmp_path: Path, kind: BrowserKind
) -> None:
    plan = LaunchPlan(kind=kind)
    options = plan.launch_options(plan.executable(), boot_id="tests")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(**options, downloads_path=tmp_path)
        await downloads_are_recorded(RecordingContext(await browser.new_context()), site)
        kept = sum(file.stat().st_size for file in tmp_path.rglob("*") if file.is_file())
        await browser.close()
    assert kept == 0
    # Of 12,000 MiB: what was under way, some MiB a file, and more on a machine that is busy.
    assert site.sent["/downloads/large.bin"] < 1200 * MIB
    assert site.sent["/downloads/endless.bin"] < 32 * MIB


async def downloads_are_recorded(context: RecordingContext, site: Site) -> None:
    crawled = await crawl(context, site.at("/crawl/files"), delay_s=0)
    found = {page.url.removeprefix(site.url): page for page in crawled.pages}
    large = found["/downloads/large.bin?size_mb=4000&n=0"]
    assert (large.kind, large.status, large.error) == ("download", 200, None)
    assert (large.file_name, large.content_type) == ("large.bin", "application/octet-stream")
    report = found["/crawl/report"]
    assert (report.file_name, report.content_type) == ("Bericht für März.pdf", "application/pdf")
    inline = found["/crawl/paper/M%C3%A4rz.pdf"]
    assert (inline.file_name, inline.content_type) == ("März.pdf", "application/pdf")
    assert sum(page.kind == "download" for page in crawled.pages) == 6
    assert found["/crawl/leaf/behind"].title == "Leaf behind"
    assert crawled.failed == 0


async def test_links_that_come_late_are_found(context: RecordingContext, site: Site) -> None:
    crawled = await crawl(context, site.at("/crawl/late?ms=500"), delay_s=0)
    assert paths(crawled, site)[1:] == ["/crawl/leaf/late", "/crawl/leaf/later"]
    crawled = await crawl(context, site.at("/crawl/late?ms=500"), delay_s=0, late_links_s=0)
    assert len(crawled.pages) == 1


async def test_routes_in_the_fragment_are_pages_of_their_own_if_asked(
    context: RecordingContext, site: Site
) -> None:
    start = site.at("/crawl/routed")
    crawled = await crawl(context, start, delay_s=0, hash_routes=True)
    assert [(page.url.removeprefix(start), page.title) for page in crawled.pages] == [
        ("", "Route start"),
        ("#/a", "Route #/a"),
        ("#/b", "Route #/b"),
        ("#/c", "Route #/c"),
    ]
    assert all((page.status, page.redirected_to) == (200, None) for page in crawled.pages)
    assert len((await crawl(context, start, delay_s=0)).pages) == 1


@pytest.mark.parametrize(
    ("way", "fields"), [("button", {"load_more": "#more"}), ("scroll", {"scroll": True})]
)
async def test_a_page_that_grows_is_read_to_its_end(
    context: RecordingContext, site: Site, way: str, fields: dict[str, Any]
) -> None:
    start = site.at(f"/crawl/growing/{way}")
    crawled = await crawl(context, start, delay_s=0, max_depth=0, **fields)
    assert (crawled.pages[0].links, crawled.pages[0].error) == (8, None)
    assert crawled.pages[0].growth in {"no-button", "nothing-new"}

    crawled = await crawl(context, start, delay_s=0, max_depth=0, max_rounds=1, **fields)
    assert 3 <= crawled.pages[0].links < 8
    assert crawled.pages[0].growth == "max_rounds"


async def test_a_button_that_is_a_link_is_an_error_of_its_page(
    context: RecordingContext, site: Site
) -> None:
    start = site.at("/crawl/links?to=/crawl/growing/button")
    crawled = await crawl(context, start, delay_s=0, max_depth=1, load_more="#away")
    page = crawled.pages[1]
    assert page.url == site.at("/crawl/growing/button")
    assert "'#away' leads to another page" in (page.error or "")


async def test_windows_dialogs_and_downloads_of_a_page_are_done_away_with(
    context: RecordingContext, site: Site
) -> None:
    first = await context.page()
    crawled = await crawl(context, site.at("/crawl/nuisance"), delay_s=0)
    assert paths(crawled, site)[1:] == ["/crawl/leaf/nuisance"]
    assert crawled.failed == 0
    assert context.browser_context.pages == [first]
    assert first.url == "about:blank"


async def test_a_page_that_crashes_is_recorded_and_the_crawl_goes_on(
    context: RecordingContext, site: Site
) -> None:
    hanging = "/slow/hanging-image"

    async def crash() -> None:
        browser = context.browser_context
        await browser.wait_for_event("response", lambda answer: answer.url == site.at(hanging))
        session = await browser.new_cdp_session(browser.pages[-1])
        with pytest.raises(Error, match=r"crash|closed"):
            await session.send("Page.crash")

    crashing = asyncio.create_task(crash())
    start = site.at(f"/crawl/links?to={hanging}&to=/crawl/leaf/behind")
    crawled = await crawl(context, start, delay_s=0, wait_until="load")
    await crashing
    assert "crashed" in (crawled.pages[1].error or "")
    assert crawled.pages[2].title == "Leaf behind"


async def test_a_calendar_without_end_is_left_at_the_number_of_pages(
    context: RecordingContext, site: Site
) -> None:
    crawled = await crawl(
        context, site.at("/crawl/calendar/0"), delay_s=0, max_pages=12, max_depth=100
    )
    assert (len(crawled.pages), crawled.stopped_by) == (12, "max_pages")


async def test_a_page_of_100_000_links_is_read_whole(context: RecordingContext, site: Site) -> None:
    crawled = await crawl(context, site.at("/crawl/crowded?links=99999"), delay_s=0, max_pages=2)
    assert (crawled.pages[0].links, crawled.found) == (99_999, 100_000)
    assert crawled.pages[1].title == "Leaf 0"


async def test_a_result_that_grows_too_large_ends_the_crawl(
    context: RecordingContext, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_crawler, "MAX_RESULT_CHARS", 1000)
    crawled = await crawl(context, site.at("/catalogue"), delay_s=0)
    assert crawled.stopped_by == "result-size"
    assert len("".join(context.chunks)) < 1500
