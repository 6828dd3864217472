"""Dialogs are answered for the length of a block, and only there."""

import asyncio

import pytest
from playwright.async_api import Browser, Page

from tests.site.fixtures import Site
from worker.pages.dialogs import AnsweredDialogs, DialogSeen, TooManyDialogs


async def test_dialogs_of_every_page_of_the_context_are_answered(
    browser: Browser, site: Site
) -> None:
    context = await browser.new_context()
    page, other = await context.new_page(), await context.new_page()
    async with AnsweredDialogs(context, "accept") as answered:
        for one in (page, other):
            await one.goto(site.at("/pages/dialogs.html"))
            await one.click("#confirm")
            assert await one.inner_text("#answer") == "true"
        await other.click("#prompt")
        assert await other.inner_text("#answer") == "nobody"
    assert [seen.type for seen in answered.seen] == ["confirm", "confirm", "prompt"]
    await page.click("#confirm")  # by Playwright, which dismisses it
    assert await page.inner_text("#answer") == "false"
    assert len(answered.seen) == 3


async def test_a_prompt_gets_the_given_text_and_a_dismissed_one_gets_none(
    page: Page, site: Site
) -> None:
    await page.goto(site.at("/pages/dialogs.html"))
    async with AnsweredDialogs(page.context, "accept", prompt_text="Ada"):
        await page.click("#prompt")
        assert await page.inner_text("#answer") == "Ada"
    async with AnsweredDialogs(page.context, "dismiss", prompt_text="Ada") as answered:
        await page.click("#prompt")
        assert await page.inner_text("#answer") == "null"
    assert answered.seen == [DialogSeen("prompt", "Your name?", "dismiss")]


async def test_dialogs_without_end_end_the_block_also_while_the_page_loads(
    page: Page, site: Site
) -> None:
    with pytest.raises(TooManyDialogs, match="more than 50 dialogs"):
        async with AnsweredDialogs(page.context, "accept"):
            await page.goto(site.at("/pages/endless-alerts.html"))


async def test_a_timeout_of_the_block_itself_stays_one(page: Page) -> None:
    with pytest.raises(TimeoutError):
        async with AnsweredDialogs(page.context, "accept"), asyncio.timeout(0):
            await asyncio.sleep(1)
