"""Pages that move on by themselves: where they lead is what counts."""

from dataclasses import replace
from urllib.parse import quote

import pytest
from playwright.async_api import Page

from tests.site.fixtures import Site
from worker.pages.errors import PageUnreachable
from worker.pages.opening import open_in
from worker.pages.visits import Waits

MOVES = ("assign", "replace", "parsed", "timer", "soon", "fetched", "form", "click")
WITHOUT_SCRIPT = ("by-head", "by-header", "by-attribute", "by-frame")


@pytest.mark.parametrize("how", [*MOVES, *WITHOUT_SCRIPT])
async def test_a_page_that_moves_on_is_followed(
    how: str, page: Page, site: Site, waits: Waits
) -> None:
    for _ in range(3):
        visit = await open_in(page, site.at(f"/moving/{how}"), waits=waits)
        assert page.url.removesuffix("?") == site.at("/arrived")
        assert await page.title() == "Arrived"
        assert (visit.status, visit.loaded, visit.pending) == (200, True, [])


async def test_a_chain_a_slow_target_and_another_origin_are_followed(
    page: Page, site: Site, waits: Waits
) -> None:
    for target in (
        "/moving/timer",
        "/moving/by-head?to=/moving/fetched",
        "/arrived?delay_s=1.5",
        "/redirect/chain/3",
        f"{site.other_url}/arrived",
    ):
        visit = await open_in(page, site.at(f"/moving/assign?to={quote(target)}"), waits=waits)
        assert await page.title() == "Arrived", target
        assert visit.status == 200


async def test_status_and_load_are_those_of_the_page_that_is_shown(
    page: Page, site: Site, waits: Waits
) -> None:
    visit = await open_in(page, site.at("/moving/assign?to=/status/404"), waits=waits)
    assert (visit.status, page.url) == (404, site.at("/status/404"))
    soft = replace(waits, load_timeout_s=0.5)
    visit = await open_in(page, site.at("/moving/assign?to=/slow/hanging-image"), waits=soft)
    assert await page.title() == "Waiting for a picture"
    assert (visit.loaded, visit.pending) == (False, [site.at("/slow/hang")])
    visit = await open_in(page, site.at("/moving/assign?to=about:blank"), waits=waits)
    assert (visit.status, page.url) == (None, "about:blank")


async def test_a_move_inside_the_document_is_none(page: Page, site: Site, waits: Waits) -> None:
    for how, title, path in (("push", "Pushed", "/pushed"), ("hash", "Part", "/moving/hash#part")):
        visit = await open_in(page, site.at(f"/moving/{how}"), waits=waits)
        assert (await page.title(), page.url) == (title, site.at(path))
        assert (visit.status, visit.loaded) == (200, True)


async def test_a_move_that_leads_nowhere_leaves_the_page(
    page: Page, site: Site, waits: Waits
) -> None:
    for target in ("/moving/no-content", "/downloads/small.csv", "unknown-app:open"):
        visit = await open_in(page, site.at(f"/moving/assign?to={target}"), waits=waits)
        assert await page.title() == "On the way"
        assert (visit.status, visit.loaded) == (200, True), target


async def test_a_move_to_an_address_without_a_page_is_an_error(
    page: Page, site: Site, waits: Waits
) -> None:
    with pytest.raises(PageUnreachable, match=r"moved on to http://127.0.0.1:1/, which cannot be"):
        await open_in(page, site.at("/moving/assign?to=http://127.0.0.1:1/"), waits=waits)


async def test_a_page_that_reloads_itself_for_ever_is_left_alone_after_a_while(
    page: Page, site: Site, waits: Waits
) -> None:
    visit = await open_in(page, site.at("/moving/itself"), waits=waits)
    assert (visit.loaded, visit.pending) == (False, [site.at("/moving/itself")])


async def test_how_long_a_page_may_move_is_bounded_and_can_be_longer_or_off(
    page: Page, site: Site, waits: Waits
) -> None:
    for path in ("/moving/ticking", "/moving/polling"):
        assert (await open_in(page, site.at(path), waits=waits)).loaded
    await open_in(page, site.at("/moving/late"), waits=replace(waits, settle_s=3))
    assert await page.title() == "Arrived"
    await open_in(page, site.at("/moving/late"), waits=replace(waits, settle_s=0))
    assert await page.title() == "On the way"


async def test_a_page_that_nothing_can_move_is_not_waited_for(
    page: Page, site: Site, waits: Waits
) -> None:
    patient = replace(waits, settle_s=60)
    for path in ("/arrived", "/catalogue/product/1"):
        await open_in(page, site.at(path), waits=patient)
    assert waits.deadline.remaining_s > 48  # a wait for quiet alone is 12 s
