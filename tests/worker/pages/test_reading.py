"""Reading pages that move on at that moment."""

import pytest
from playwright.async_api import Error, Page

from slotgrid.function import Deadline
from tests.site.fixtures import Site
from worker.pages.errors import PageUnreachable
from worker.pages.opening import open_in
from worker.pages.reading import ATTEMPTS, read
from worker.pages.visits import Waits


async def test_a_page_that_moves_on_while_it_is_read_is_read_anew(
    page: Page, site: Site, waits: Waits
) -> None:
    visit = await open_in(page, site.at("/arrived"), waits=waits)
    attempts = []

    async def heading(page: Page) -> str:
        attempts.append(page.url)
        if len(attempts) == 1:
            await page.evaluate("location = '/status/404'; new Promise(() => {})")
        return await page.inner_text("h1")

    assert await read(visit, heading) == "404"
    assert attempts == [site.at("/arrived"), site.at("/status/404")]
    assert (visit.status, visit.loaded) == (404, True)


@pytest.mark.parametrize("moves", ["first", "between", "last"])
async def test_what_is_read_is_of_one_document(
    page: Page, site: Site, waits: Waits, moves: str
) -> None:
    visit = await open_in(page, site.at("/arrived"), waits=waits)
    attempts: list[str] = []

    async def paths(page: Page) -> list[str]:
        attempts.append(page.url)
        found = []
        for moment in ("first", "between", "last"):
            if moment == moves and len(attempts) == 1:
                await page.goto(site.at("/status/404"))
            if moment != "last":
                found.append(await page.evaluate("location.pathname"))
        return found

    assert await read(visit, paths) == ["/status/404", "/status/404"]
    assert attempts == [site.at("/arrived"), site.at("/status/404")]
    assert visit.status == 404


async def test_a_page_that_moves_on_each_time_and_other_faults_are_errors(
    page: Page, site: Site, waits: Waits
) -> None:
    visit = await open_in(page, site.at("/arrived"), waits=waits)
    attempts = []

    async def never(page: Page) -> None:
        attempts.append(page.url)
        await page.evaluate("location.reload(); new Promise(() => {})")

    with pytest.raises(PageUnreachable, match=f"moved on {ATTEMPTS} times while it was read"):
        await read(visit, never)
    assert len(attempts) == ATTEMPTS
    with pytest.raises(Error, match="nonsense is not defined"):
        await read(visit, lambda page: page.evaluate("nonsense"))


async def test_a_page_that_becomes_busy_is_an_error_before_the_deadline(
    page: Page, site: Site
) -> None:
    waits = Waits(Deadline.after(2))
    visit = await open_in(page, site.at("/arrived"), waits=waits)
    with pytest.raises(PageUnreachable, match="did not respond for"):
        await read(visit, lambda page: page.evaluate("for (;;);"))
    assert waits.deadline.remaining_s > 0
