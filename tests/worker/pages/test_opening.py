"""Opening pages whose load never ends: what is said of them, and what can still be done."""

import asyncio
from dataclasses import replace

import pytest
from playwright.async_api import Page

from slotgrid.function import Deadline
from tests.site.fixtures import Site
from tests.site.moving import HANGING
from worker.pages.errors import ElementMissing, PageUnreachable
from worker.pages.loading import listed
from worker.pages.opening import open_in
from worker.pages.visits import Waits


@pytest.fixture
def soft(waits: Waits) -> Waits:
    """A soft limit that passes soon."""
    return replace(waits, load_timeout_s=0.3)


def hard(seconds: float) -> Waits:
    """A deadline that comes before the soft limit."""
    return Waits(Deadline.after(seconds))


async def test_a_part_that_never_arrives_is_named_and_holds_up_no_picture(
    page: Page, site: Site, soft: Waits
) -> None:
    for part in HANGING:
        visit = await open_in(page, site.at(f"/moving/hanging/{part}"), waits=soft)
        assert (visit.status, visit.loaded) == (200, False)
        assert visit.pending == [site.at("/slow/hang")], part
        assert await page.title() == "All but one"
        assert await page.screenshot(timeout=5000)
        if part not in {"blocking", "script"}:  # these hold up the document that follows them
            assert await page.inner_text("#text") == "All here"


async def test_half_a_document_is_shown_and_named(page: Page, site: Site, soft: Waits) -> None:
    for path, title in (("/slow/stalled-body", "Half a page"), ("/slow/endless-body", "Growing")):
        visit = await open_in(page, site.at(path), waits=soft)
        assert (visit.loaded, visit.pending) == (False, [site.at(path)])
        assert await page.title() == title


async def test_a_document_without_any_text_is_waited_for_until_it_has_some(
    page: Page, site: Site, soft: Waits
) -> None:
    visit = await open_in(page, site.at("/moving/silent?for_s=0.8"), waits=soft)
    assert (visit.loaded, visit.pending) == (True, [])
    assert await page.title() == "At last"


async def test_a_page_that_asks_for_news_for_ever_keeps_what_it_is_doing(
    page: Page, site: Site, waits: Waits
) -> None:
    idle = replace(waits, until="networkidle", load_timeout_s=1)
    visit = await open_in(page, site.at("/moving/polling"), waits=idle)
    assert not visit.loaded
    assert visit.pending == [site.at("/arrived?delay_s=0.1")]
    asked = site.hits["/arrived"]
    await page.wait_for_function("asked => Number(news.textContent) > asked", arg=asked)


async def test_a_deadline_before_the_soft_limit_names_what_did_not_arrive(
    page: Page, site: Site
) -> None:
    hang = site.at("/slow/hang")
    for path, said in {
        "/slow/hanging-image": rf"{site.at('/slow/hanging-image')} had not loaded after "
        rf"[\d.]+ s, still waiting for {hang}$",
        "/slow/stalled-body": "still waiting for the rest of the page itself$",
        "/moving/silent": "still waiting for the rest of the page itself$",
        "/slow/hang": rf"^{hang} had not answered after [\d.]+ s$",
        "/redirect/302?to=/slow/hang": rf"led to {hang}, which had not answered after [\d.]+ s$",
        "/moving/assign?to=/slow/hang": rf"moved on to {hang}, which had not answered after",
        "/pages/busy-at-load.html": "did not respond for .*: its scripts keep it busy",
    }.items():
        limits = replace(hard(2), load_timeout_s=0.3) if "busy" in path else hard(2)
        with pytest.raises(PageUnreachable, match=said):
            await open_in(page, site.at(path), waits=limits)
        assert limits.deadline.remaining_s > 0, path
        page = await page.context.new_page()


async def test_an_element_is_waited_for_no_longer_than_the_deadline(page: Page, site: Site) -> None:
    limits = hard(1)
    with pytest.raises(ElementMissing, match=r"no element that matches '#ghost' within 0\.\d+ s"):
        await open_in(page, site.at("/arrived"), waits=limits, wait_for="#ghost")
    assert limits.deadline.remaining_s > 0


async def test_the_status_is_that_of_the_page_with_the_element(
    page: Page, site: Site, waits: Waits
) -> None:
    visit = await open_in(page, site.at("/moving/late?to=/status/404"), waits=waits, wait_for="h1")
    assert (visit.status, page.url) == (404, site.at("/status/404"))


async def test_a_page_that_is_committed_is_not_waited_for(
    page: Page, site: Site, waits: Waits
) -> None:
    at_once = replace(waits, until="commit")
    async with asyncio.timeout(10):
        visit = await open_in(page, site.at("/slow/stalled-body"), waits=at_once)
    assert (visit.status, visit.loaded, visit.pending) == (200, True, [])


def test_pending_addresses_are_bounded_and_named_once() -> None:
    many = [f"http://example.org/{number}" for number in range(100)]
    assert listed(many * 2) == many[:20]
    assert listed(["data:image/png;base64,AAAA", f"http://example.org/{'x' * 1000}"]) == [
        "data:image/png;base64",
        f"http://example.org/{'x' * 281}",
    ]
