"""Pages that grow: each round is bounded, and its end has a reason."""

import pytest
from playwright.async_api import Page

from tests.site.fixtures import Site
from worker.pages.growing import Growth, LeftPage


async def grow(page: Page, **options: object) -> tuple[Growth, int]:
    """Grow a page to its end; return the growth, and how many products the page shows then."""
    growth = Growth(page, **options)  # type: ignore[arg-type]
    while await growth.more():
        pass
    return growth, await page.locator(".product").count()


async def test_a_button_is_clicked_until_it_is_gone(page: Page, site: Site) -> None:
    await page.goto(site.at("/pages/load-more.html"))
    growth, shown = await grow(page, watch=".product", load_more="#more")
    assert (shown, growth.ended_by) == (60, "no-button")


@pytest.mark.parametrize(("end", "reason"), [("disabled", "no-button"), ("stays", "nothing-new")])
async def test_a_button_without_effect_ends_the_growth(
    page: Page, site: Site, end: str, reason: str
) -> None:
    await page.goto(site.at(f"/pages/load-more.html?end={end}"))
    growth, shown = await grow(page, watch=".product", load_more="#more")
    assert (shown, growth.ended_by) == (60, reason)


async def test_a_slow_answer_and_an_overlay_do_not_end_the_growth(page: Page, site: Site) -> None:
    await page.goto(site.at("/pages/load-more.html?answer_s=1.5&cover=1"))
    growth, shown = await grow(page, watch=".product", load_more="#more")
    assert (shown, growth.ended_by) == (60, "no-button")


async def test_rounds_are_bounded(page: Page, site: Site) -> None:
    await page.goto(site.at("/pages/load-more.html"))
    growth, shown = await grow(page, watch=".product", load_more="#more", max_rounds=1)
    assert (shown, growth.rounds, growth.ended_by) == (40, 1, "max_rounds")
    await page.goto(site.at("/pages/endless.html?forever=1"))
    growth, shown = await grow(page, watch=".product", scroll=True, max_rounds=5)
    assert growth.ended_by == "max_rounds"
    assert shown > 20


@pytest.mark.parametrize("where", ["", "?box=1"])
async def test_scrolling_reaches_the_end_of_the_window_and_of_a_box(
    page: Page, site: Site, where: str
) -> None:
    await page.goto(site.at(f"/pages/endless.html{where}"))
    growth, shown = await grow(page, watch=".product", scroll=True)
    assert (shown, growth.ended_by) == (60, "nothing-new")


async def test_a_virtual_list_is_shown_row_by_row(page: Page, site: Site) -> None:
    await page.goto(site.at("/pages/virtual-list.html"))
    growth = Growth(page, watch=".row", scroll=True, max_rounds=200)
    seen: set[str] = set()
    while True:
        seen |= set(await page.locator(".row").all_inner_texts())
        if not await growth.more():
            break
    assert len(seen) == 500
    assert growth.ended_by == "nothing-new"


async def test_a_page_that_does_not_grow_ends_after_one_round(page: Page, site: Site) -> None:
    await page.goto(site.at("/arrived"))
    growth, _ = await grow(page, scroll=True)
    assert (growth.rounds, growth.ended_by) == (1, "nothing-new")


async def test_a_link_that_leaves_the_page_and_an_invalid_selector_are_errors(
    page: Page, site: Site
) -> None:
    await page.goto(site.at("/catalogue"))
    with pytest.raises(LeftPage, match="a link for `next_page`"):
        await grow(page, load_more="a[rel=next]")
    with pytest.raises(ValueError, match="is not a valid selector"):
        await grow(page, load_more="li[")
