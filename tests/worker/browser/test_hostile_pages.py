"""Pages that do their worst: the task's context still closes, and its neighbour goes on."""

import asyncio
import contextlib
import tempfile
from pathlib import Path

import pytest
from aiohttp.test_utils import TestServer
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Page

from slotgrid.runtime.setting_choices import BrowserKind
from tests.harness.waiting import PATIENT, live_processes, until, until_whole
from tests.worker.browser.conftest import StartBrowsers, browsers_leaving_nothing
from tests.worker.browser.site import HOSTILE
from worker.browser import event_budget
from worker.browser.browser_states import FreedBy, Loss
from worker.browser.browsers import Browsers
from worker.browser.launch import LaunchPlan

ENDLESS = sorted(HOSTILE.keys() - {"fills-memory"})


async def _visit(page: Page, url: str) -> None:
    """What a task would do there; it gets nowhere, or it fails."""
    with contextlib.suppress(PlaywrightError):
        await page.goto(url, wait_until="commit")
        await page.wait_for_timeout(300)
        await page.evaluate("new Promise(() => {})")


@pytest.mark.parametrize("name", ENDLESS)
async def test_a_task_on_a_hostile_page_can_be_cancelled_and_its_context_closes(
    name: str, start: StartBrowsers, site: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A tenth of the real budget: the loop of the tests is slower than a worker's.
    monkeypatch.setattr(event_budget, "EVENTS", (1000, 200))
    browsers = await start(limits=PATIENT)
    await until_whole(browsers, count=1, slots=2)
    before = live_processes()
    task, neighbour = await browsers.context(), await browsers.context()
    work = asyncio.ensure_future(_visit(task.page, str(site.make_url(f"/hostile/{name}"))))
    await asyncio.wait({work}, timeout=1)
    work.cancel()
    await asyncio.wait({work}, timeout=5)
    assert work.done()
    assert await task.close() is FreedBy.CLOSE
    async with asyncio.timeout(30):
        await neighbour.page.goto(str(site.make_url("/page")))
    assert not neighbour.lost.done()
    await neighbour.close()
    await until_whole(browsers, count=1, slots=2)
    assert browsers.stats().restarts == {}
    await until(lambda: live_processes() <= before)


@pytest.mark.parametrize("kind", BrowserKind)
async def test_a_page_can_be_closed_while_it_navigates(kind: BrowserKind, site: TestServer) -> None:
    async def visit_and_close(browsers: Browsers, number: int) -> None:
        task = await browsers.context()
        with contextlib.suppress(PlaywrightError):
            await task.page.goto(str(site.make_url("/hostile/reloads")))
        await task.page.wait_for_timeout(number * 20)
        await asyncio.wait_for(task.page.close(), 60)
        assert await task.close() is FreedBy.CLOSE

    # A short path, which a socket of the full browser needs (see `temporary_base`).
    with tempfile.TemporaryDirectory(prefix="sg", dir="/tmp") as base:
        async with browsers_leaving_nothing(Path(base) / "t") as start:
            browsers = await start(LaunchPlan(kind=kind), slots=4, limits=PATIENT)
            # Each close hung with a chance of 0.4 where RenderDocument was not disabled.
            for _ in range(3):
                await asyncio.gather(*(visit_and_close(browsers, number) for number in range(4)))
            await until_whole(browsers, count=1, slots=4)


async def test_a_crashed_tab_is_told_to_its_task_alone(
    start: StartBrowsers, site: TestServer
) -> None:
    browsers = await start(limits=PATIENT)
    task, neighbour = await browsers.context(), await browsers.context()
    with pytest.raises(PlaywrightError):
        await task.page.goto("chrome://crash")
    assert await asyncio.wait_for(task.lost, 30) is Loss.PAGE
    assert await task.close() is FreedBy.CLOSE
    await neighbour.page.goto(str(site.make_url("/page")))
    assert not neighbour.lost.done()
    await neighbour.close()
    await until_whole(browsers, count=1, slots=2)


async def test_calls_on_another_tab_that_crashes_fail_but_the_task_may_go_on(
    start: StartBrowsers,
) -> None:
    browsers = await start(limits=PATIENT)
    task = await browsers.context()
    second = await task.context.new_page()
    waiting = asyncio.ensure_future(second.evaluate("new Promise(() => {})"))
    await second.title()
    with pytest.raises(PlaywrightError):
        await second.goto("chrome://crash")
    with pytest.raises(PlaywrightError):
        await asyncio.wait_for(waiting, 30)
    assert not task.lost.done()
    assert await task.page.title() == ""
    await task.close()


async def test_a_page_that_fills_memory_loses_its_tab_and_not_the_machine_its_memory(
    start: StartBrowsers, site: TestServer
) -> None:
    browsers = await start(LaunchPlan(page_heap_mb=64), limits=PATIENT)
    task, neighbour = await browsers.context(), await browsers.context()
    await task.page.goto(str(site.make_url("/hostile/fills-memory")), wait_until="commit")
    assert await asyncio.wait_for(task.lost, 30) is Loss.PAGE
    assert await task.close() is FreedBy.CLOSE
    assert not neighbour.lost.done()
    await neighbour.close()
    await until_whole(browsers, count=1, slots=2)


async def test_a_spare_whose_tab_crashed_is_not_given_to_anyone(start: StartBrowsers) -> None:
    browsers = await start(slots=1, limits=PATIENT)
    await until_whole(browsers, count=1, slots=1)
    spare = browsers.spares()[0]
    with pytest.raises(PlaywrightError):
        await spare.page.goto("chrome://crash")
    await spare.lost
    task = await browsers.context()
    assert task is not spare
    await task.page.set_content("<title>whole</title>")
    await task.close()
    await until_whole(browsers, count=1, slots=1)
