"""Following links: every page once, none that was not meant, and none that stops the rest."""

import json
from collections import Counter
from dataclasses import asdict

import pytest

from functions._crawler import RESERVE_S
from functions.crawl import Crawl, crawl
from slotgrid.core.deadlines import Deadline
from tests.functions.fakes import RecordingContext
from tests.site import catalogue
from tests.site.app import HAZARDS
from tests.site.fixtures import Site
from worker.pages.errors import PageUnreachable


def images(site: Site) -> set[str]:
    """The pictures that were asked for: parts of pages, not pages."""
    return {path for path in site.hits if path.startswith("/images/")}


def statuses(crawled: Crawl, site: Site) -> dict[str, int | None]:
    """Status of each page by its path."""
    return {page.url.removeprefix(site.url): page.status for page in crawled.pages}


async def test_a_catalogue_is_crawled_whole_and_each_page_once(
    context: RecordingContext, site: Site
) -> None:
    crawled = await crawl(context, site.at("/catalogue#top"), max_pages=200, delay_s=0)
    found = statuses(crawled, site)
    assert set(catalogue.page_paths()) <= found.keys()
    assert {path: code for path, code in found.items() if code != 200} == {**catalogue.BROKEN}
    visits = Counter(page.url for page in crawled.pages)
    assert set(visits.values()) == {1}
    # The redirect to product 7 is an address of its own, and one more request of that page.
    assert site.hits["/catalogue/product/7"] <= 2
    assert all(site.hits[one.path] == 1 for one in catalogue.products() if one.id != 7)
    assert (crawled.stopped_by, crawled.failed) == ("finished", 2)


async def test_each_page_is_streamed_as_a_line_of_json(
    context: RecordingContext, site: Site
) -> None:
    crawled = await crawl(context, site.at("/catalogue"), max_pages=5, delay_s=0)
    assert crawled.stopped_by == "max_pages"
    assert [json.loads(chunk) for chunk in context.chunks] == [
        asdict(page) for page in crawled.pages
    ]
    first = crawled.pages[0]
    assert (first.title, first.depth, first.status) == ("Catalogue, page 1", 0, 200)
    assert [page.depth for page in crawled.pages] == [0, 1, 1, 1, 1]


async def test_only_the_host_is_crawled_and_robots_are_obeyed(
    context: RecordingContext, site: Site
) -> None:
    crawled = await crawl(context, site.at("/catalogue"), max_depth=1, delay_s=0)
    assert all(page.url.startswith(site.url) for page in crawled.pages)
    assert crawled.refused_by_robots == 1
    assert site.hits[catalogue.PRIVATE] == 0
    assert site.hits["/search"] == 0  # the link says nofollow
    assert max(page.depth for page in crawled.pages) == 1

    await crawl(context, site.at("/catalogue"), max_depth=1, delay_s=0, robots=False)
    assert site.hits[catalogue.PRIVATE] == 1


async def test_a_pattern_narrows_the_crawl(context: RecordingContext, site: Site) -> None:
    crawled = await crawl(context, site.at("/catalogue"), match="*/category/*", delay_s=0)
    assert len(crawled.pages) == 1 + len(catalogue.CATEGORIES)


async def test_every_hazard_is_survived_and_told(context: RecordingContext, site: Site) -> None:
    crawled = await crawl(
        context, site.at("/hazards"), max_depth=1, delay_s=0, page_timeout_s=1.5, wait_until="load"
    )
    found = {page.url.removeprefix(site.url): page for page in crawled.pages}
    assert set(HAZARDS) < found.keys()
    assert (found["/status/404"].status, found["/status/500"].status) == (404, 500)
    for path, why in {
        "/slow/hang": "had not answered",
        "/redirect/loop": "redirects without end",
        "/pages/busy-at-load.html": "did not respond",
    }.items():
        assert why in (found[path].error or ""), path
    assert found["/pages/endless-alerts.html"].error is not None
    for path, title in {
        "/slow/stalled-body": "Half a page",
        "/slow/hanging-image": "Waiting for a picture",
    }.items():
        assert (found[path].title, found[path].loaded) == (title, False), path
    assert found["/slow/hanging-image"].pending == [site.at("/slow/hang")]
    assert (found["/arrived"].status, found["/arrived"].title) == (200, "Arrived")
    assert found["/downloads/endless.bin"].kind == "download"
    assert (crawled.stopped_by, crawled.failed) == ("finished", len(HAZARDS) - 3)
    assert len(context.browser_context.pages) == 1


async def test_a_crawl_ends_before_its_deadline_with_what_it_has(
    context: RecordingContext, site: Site
) -> None:
    context.deadline = Deadline.after(RESERVE_S + 4)
    crawled = await crawl(context, site.at("/catalogue"), delay_s=0.3)
    assert crawled.stopped_by == "deadline"
    assert 0 < len(crawled.pages) < 50


async def test_the_deadline_is_no_limit_of_the_host(
    context: RecordingContext, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def progress(text: str, fraction: float | None = None) -> None:
        context.deadline = Deadline.after(RESERVE_S - 0.5)

    monkeypatch.setattr(context, "progress", progress)
    crawled = await crawl(context, site.at("/catalogue"), delay_s=0)
    assert crawled.stopped_by == "deadline"


async def test_a_page_that_sends_its_reader_on_is_followed(
    context: RecordingContext, site: Site
) -> None:
    for path in ("/redirect/script", "/redirect/meta"):
        crawled = await crawl(context, site.at(path), delay_s=0)
        assert [page.error for page in crawled.pages] == [None]


async def test_a_page_that_never_comes_to_rest_ends_with_its_time(
    context: RecordingContext, site: Site
) -> None:
    # Read on its way, or given up: what matters is that there is an end.
    try:
        crawled = await crawl(context, site.at("/restless/1"), page_timeout_s=1, delay_s=0)
    except PageUnreachable as error:
        assert "moved on" in str(error) or "had not loaded after" in str(error)
    else:
        assert [page.title for page in crawled.pages] == ["On the way"]


async def test_an_address_that_cannot_be_crawled_is_refused(context: RecordingContext) -> None:
    with pytest.raises(ValueError, match="is not an address that can be crawled"):
        await crawl(context, "http://")


async def test_the_status_of_a_page_that_moves_on_is_that_of_where_it_leads(
    context: RecordingContext, site: Site
) -> None:
    start = site.at("/moving/timer?to=/status/404")
    crawled = await crawl(context, start, max_pages=1, robots=False)
    assert [page.status for page in crawled.pages] == [404]
