"""Watching a page's requests, also when too many of them come."""

import asyncio
from dataclasses import replace

import pytest
from playwright.async_api import Page

from tests.site.fixtures import Site
from worker.browser.listeners import ListenerGuard
from worker.pages import activity as activity_module
from worker.pages.activity import watch
from worker.pages.opening import open_in
from worker.pages.visits import Waits


async def test_a_watch_sees_what_is_under_way_and_its_end(page: Page, site: Site) -> None:
    await page.goto(site.at("/arrived"))
    async with watch(page) as activity:
        await page.evaluate("fetch('/arrived?delay_s=0.3'); new EventSource('/events')")
        await activity.quiet(at_most_s=0.1, quiet_s=0.05)
        assert [one.url for one in activity.under_way] == [site.at("/arrived?delay_s=0.3")]
        assert len(activity.all_under_way) == 2
        assert await activity.quiet(at_most_s=10, quiet_s=0.05)
        assert activity.response is None
        await page.evaluate("location = '/status/404'")
        await activity.navigates()
        await activity.arrives()
        assert (activity.status, page.url) == (404, site.at("/status/404"))


async def test_requests_from_before_the_watch_are_recalled(page: Page, site: Site) -> None:
    await page.goto(site.at("/arrived"))
    await page.evaluate("fetch('/slow/hang'); fetch('/arrived').then(a => a.text())")
    await page.evaluate("location = '/slow/hang?document'; 0")
    while site.hits["/slow/hang"] < 2:  # noqa: ASYNC110  the site has no event for it
        await asyncio.sleep(0.01)
    async with watch(page) as activity:
        await activity.recall()
        assert activity.navigation is not None
        assert activity.navigation.url == site.at("/slow/hang?document")
        assert not await activity.quiet(at_most_s=0.3)
        assert {one.url for one in activity.under_way} == {
            site.at("/slow/hang"),
            site.at("/slow/hang?document"),
        }
    leftover = [task for task in asyncio.all_tasks() if "page's request" in task.get_name()]
    assert leftover == []


async def test_a_navigation_is_over_although_its_listeners_were_removed(
    page: Page, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activity_module, "_LOOK_AGAIN_S", 0.1)
    await page.goto(site.at("/arrived"))
    async with watch(page) as activity:
        await page.evaluate("location = '/arrived?delay_s=0.5'; 0")
        await activity.navigates()
        for event, listener in activity._listeners().items():
            page.remove_listener(event, listener)
        await asyncio.wait_for(activity.arrives(), 10)
    assert page.url == site.at("/arrived?delay_s=0.5")


async def test_a_page_whose_requests_flood_the_listeners_still_settles(
    page: Page, site: Site, waits: Waits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.browser.listeners.DEFAULT_BUDGET", (2, 0.001))
    removed: list[str] = []
    ListenerGuard(lambda error: None, removed.append).guard_context(page.context)
    visit = await open_in(page, site.at("/moving/polling"), waits=replace(waits, settle_s=1))
    assert (visit.status, visit.loaded) == (200, True)
    assert "request" in removed
    await open_in(page, site.at("/moving/assign?to=/moving/timer"), waits=waits)
    assert await page.title() == "Arrived"
