"""What only a browser can see of the site: its scripts, frames, storages, dialogs and hazards."""

import asyncio
import json

import pytest
from playwright.async_api import Dialog, Error, Page, expect
from playwright.async_api import TimeoutError as PageTimeout

from tests.site.catalogue import product
from tests.site.fixtures import Site
from tests.site.transfers import SMALL_CSV


async def test_a_late_page_is_empty_first_and_full_later(page: Page, site: Site) -> None:
    await page.goto(site.at("/pages/late.html"), wait_until="domcontentloaded")
    assert await page.inner_text("#app") == "Loading…"
    await expect(page.locator("#items .item")).to_have_count(10)
    assert await page.title() == "Rendered late"


async def test_redirects_by_head_and_by_script_arrive(page: Page, site: Site) -> None:
    for path in ("/redirect/meta", "/redirect/script"):
        await page.goto(site.at(path), wait_until="commit")
        await page.wait_for_url(site.at("/arrived"))
        await expect(page.locator("#method")).to_have_text("GET")


async def test_frames_show_the_same_and_another_origin_and_nest(page: Page, site: Site) -> None:
    await page.goto(site.at("/pages/frames.html"))
    assert {frame.name: frame.url for frame in page.frames if frame.name} == {
        "same": site.at("/catalogue/product/1"),
        "nested": site.at("/pages/frame-inner.html"),
        "innermost": site.at("/catalogue/product/3"),
        "other": f"{site.other_url}/catalogue/product/2",
    }
    other = page.frame("other")
    assert other is not None
    await expect(other.locator("h1")).to_have_text(product(2).name)
    with pytest.raises(Error, match="cross-origin"):
        await page.evaluate("document.getElementsByName('other')[0].contentWindow.document.title")


async def test_storages_keep_what_was_written_per_origin(page: Page, site: Site) -> None:
    full = dict.fromkeys(("local", "session", "indexed", "cache"), "mine")
    for url, expected in (
        (site.at("/pages/storage.html?write=mine"), full),
        (site.at("/pages/storage.html"), full),
        (f"{site.other_url}/pages/storage.html", dict.fromkeys(full)),
    ):
        await page.goto(url)
        await expect(page.locator("#seen")).not_to_be_empty()
        assert json.loads(await page.inner_text("#seen")) == expected


async def test_a_service_worker_answers(page: Page, site: Site) -> None:
    await page.goto(site.at("/pages/service-worker.html"))
    await expect(page.locator("#state")).to_have_text("answered by the worker")
    assert site.hits["/pages/from-worker"] == 0


async def test_cookies_that_scripts_may_not_see_arrive_all_the_same(page: Page, site: Site) -> None:
    await page.goto(site.at("/cookies/set?colour=red"))
    await page.goto(site.at("/cookies/set?token=1&http_only=1"))
    await page.goto(site.at("/cookies"))
    assert json.loads(await page.inner_text("#arrived")) == {"colour": "red", "token": "1"}
    assert await page.inner_text("#seen") == "colour=red"


async def test_events_and_the_socket_are_live(page: Page, site: Site) -> None:
    await page.goto(site.at("/pages/live.html"))
    await expect(page.locator("#message")).to_have_text("echo: hello")
    await expect(page.locator("#event")).to_have_text("4")


async def test_a_scripts_form_shows_its_answer_without_a_new_page(page: Page, site: Site) -> None:
    await page.goto(site.at("/pages/script-form.html"))
    await page.fill("input", "ada")
    await page.click("button")
    await expect(page.get_by_role("status")).to_have_text("Welcome, ada")


async def test_dialogs_ask_and_take_an_answer(page: Page, site: Site) -> None:
    asked: list[tuple[str, str]] = []

    async def answer(dialog: Dialog) -> None:
        asked.append((dialog.type, dialog.message))
        await dialog.accept("Ada" if dialog.type == "prompt" else "")

    page.on("dialog", answer)
    await page.goto(site.at("/pages/dialogs.html"))
    for button, told in (("alert", "alerted"), ("confirm", "true"), ("prompt", "Ada")):
        await page.click(f"#{button}")
        await expect(page.locator("#answer")).to_have_text(told)
    await page.click("#hold")
    await page.goto(site.at("/arrived"))
    assert [kind for kind, _ in asked] == ["alert", "confirm", "prompt", "beforeunload"]
    assert asked[0][1] == "Mind the gap"


async def test_popups_open_and_downloads_download(page: Page, site: Site) -> None:
    await page.goto(site.at("/pages/popups.html"))
    async with page.expect_popup() as popup:
        await page.click("#tab")
    assert (await popup.value).url.endswith("/catalogue/product/4")
    async with page.expect_download() as download:
        with pytest.raises(Error, match="Download is starting"):
            await page.goto(site.at("/downloads/small.csv"))
    file = await (await download.value).path()
    assert file.read_text() == SMALL_CSV


@pytest.mark.parametrize(
    ("path", "loaded"),
    [
        ("/slow/hang", False),
        ("/slow/hanging-image", True),
        ("/slow/endless-body", False),
        ("/pages/busy-at-load.html", False),
        ("/pages/endless-alerts.html", False),
    ],
)
async def test_a_page_that_hangs_never_loads(
    page: Page, site: Site, path: str, loaded: bool
) -> None:
    """`loaded`: whether at least its text is there."""
    with pytest.raises(PageTimeout):
        await page.goto(site.at(path), timeout=700)
    if loaded:
        assert await page.inner_text("#text") == "All here"


async def test_a_page_that_gets_busy_later_answers_before(page: Page, site: Site) -> None:
    await page.goto(site.at("/pages/busy-later.html"), wait_until="commit")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(3):
            while True:  # each round answers, until the script stops yielding
                await page.evaluate("new Promise(resolve => setTimeout(resolve, 50))")


async def test_a_page_fills_memory_as_told_and_a_tab_can_be_crashed(page: Page, site: Site) -> None:
    await page.goto(site.at("/pages/memory.html?limit_mb=8"))
    await expect(page.locator("#filled_mb")).to_have_text("8")
    async with page.expect_event("crash"):
        with pytest.raises(Error, match="crash"):
            await page.goto("chrome://crash")


async def test_a_console_flood_leaves_the_page_alive(page: Page, site: Site) -> None:
    await page.goto(site.at("/pages/console-flood.html"))
    # Asked of the page: to listen would bring the flood into the driver, and drown it.
    await page.wait_for_function("line > 500")
