"""Rules for requests in the tabs of a context, and what is left of them at their end."""

import asyncio

from playwright.async_api import Browser, Error

from tests.harness.chromium import browser
from tests.site.fixtures import Site, site
from worker.actions.request_rules import Block, Fulfil, RequestRules

__all__ = ["browser", "site"]

HTML = {"Content-Type": "text/html"}


async def test_tabs_that_are_opened_later_have_the_rules(browser: Browser, site: Site) -> None:
    async with await browser.new_context() as context:
        page = await context.new_page()
        rules = RequestRules()
        rules.blocks.append(Block("*/visitors/own.svg"))
        rules.intercepts.append(Fulfil("/start", headers=HTML))
        await rules.apply(context)
        later = await context.new_page()
        await later.goto(site.at("/visitors/parts"), wait_until="networkidle")
        assert "/visitors/own.svg" not in {one.path for one in site.arrivals}
        await page.goto(site.at("/start"))
        async with page.expect_popup() as opening:
            await page.evaluate("window.open('about:blank') && null")
        popup = await opening.value
        async with asyncio.timeout(30):
            arrived = {"/visitors/own.svg"}
            while "/visitors/own.svg" in arrived:  # its first requests are too early
                site.arrivals.clear()
                await popup.goto(site.at("/visitors/parts"), wait_until="networkidle")
                arrived = {one.path for one in site.arrivals}


async def test_at_the_end_the_context_is_as_it_was(browser: Browser, site: Site) -> None:
    async with await browser.new_context() as context:
        page = await context.new_page()
        plain = context.new_page
        rules = RequestRules()
        rules.blocks.append(Block("*"))
        await rules.apply(context)
        try:
            await page.goto(site.url)
        except Error as refused:
            assert "ERR_BLOCKED_BY_CLIENT" in refused.message
        else:
            raise AssertionError("it was not blocked")
        await rules.end()
        assert context.new_page == plain
        assert (await page.goto(site.url)) is not None
        assert (await (await context.new_page()).goto(site.url)) is not None


async def test_a_rule_that_chromium_refuses_leaves_no_request_waiting(
    browser: Browser, site: Site
) -> None:
    async with await browser.new_context() as context:
        page = await context.new_page()
        rules = RequestRules()
        rules.intercepts.append(Fulfil("*", headers={"bad name": "\n"}))
        await rules.apply(context)
        async with asyncio.timeout(20):
            try:
                await page.goto(site.url)
            except Error as failed:
                assert "ERR_FAILED" in failed.message
