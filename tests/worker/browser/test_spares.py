"""Contexts opened ahead of need, and how tasks spread over the browsers."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext
from playwright.async_api import Error as PlaywrightError

from tests.harness.waiting import PATIENT, until, until_whole
from tests.worker.browser.conftest import StartBrowsers
from worker.browser.errors import ContextOptionsRefused


async def test_a_task_takes_a_spare_and_waits_for_no_context_to_be_opened(
    start: StartBrowsers, monkeypatch: pytest.MonkeyPatch
) -> None:
    browsers = await start(limits=PATIENT)
    await until_whole(browsers, count=1, slots=2)
    open_context, may_open = Browser.new_context, asyncio.Event()

    async def open_later(self: Browser, **options: Any) -> BrowserContext:
        await may_open.wait()
        return await open_context(self, **options)

    monkeypatch.setattr(Browser, "new_context", open_later)
    spares = browsers.spares()
    task = await asyncio.wait_for(browsers.context(), timeout=30)
    assert task in spares
    fresh = asyncio.create_task(browsers.context({"locale": "en-GB"}))
    may_open.set()
    assert await fresh not in spares
    for one in (task, await fresh):
        await one.close()
    await until_whole(browsers, count=1, slots=2)


async def test_a_spare_that_was_taken_is_made_good_also_when_all_slots_are_busy(
    start: StartBrowsers,
) -> None:
    browsers = await start(limits=PATIENT)
    tasks = [await browsers.context() for _ in range(2)]
    await until(lambda: browsers.stats().spares == 1)
    assert browsers.stats().contexts_in_use == 2
    for task in tasks:
        await task.close()
    await until_whole(browsers, count=1, slots=2)


async def test_spares_are_complete_again_after_an_opening_that_fails_late(
    start: StartBrowsers, monkeypatch: pytest.MonkeyPatch
) -> None:
    browsers = await start(limits=PATIENT)
    await until_whole(browsers, count=1, slots=2)
    open_context, may_fail = Browser.new_context, asyncio.Event()

    async def open_or_fail(self: Browser, **options: Any) -> BrowserContext:
        if options:
            await may_fail.wait()
        return await open_context(self, **options)

    monkeypatch.setattr(Browser, "new_context", open_or_fail)
    task = await browsers.context()
    late = asyncio.create_task(browsers.context({"nonsense": 1}))
    await until(lambda: browsers.stats().contexts_in_use == 2)
    await task.close()
    # While it opens, one spare is enough for the slot that is left.
    await until(lambda: browsers.stats().contexts_in_use == 1)
    may_fail.set()
    with pytest.raises(ContextOptionsRefused):
        await late
    await until_whole(browsers, count=1, slots=2)


async def test_tasks_spread_over_the_browsers_and_spares_never_exceed_the_slots(
    start: StartBrowsers,
) -> None:
    browsers = await start(count=2, slots=5)
    await until_whole(browsers, count=2, slots=5)
    tasks = [await browsers.context() for _ in range(4)]
    assert sorted(one.contexts_in_use for one in browsers.stats().browsers) == [2, 2]
    assert browsers.stats().spares <= 5
    assert browsers.stats().contexts_in_use == 4
    for task in tasks:
        await task.close()
    await until_whole(browsers, count=2, slots=5)


@pytest.mark.parametrize("call", ["new_context", "new_page"])
async def test_a_call_to_playwright_that_is_never_answered_costs_no_spare(
    call: str, start: StartBrowsers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So it is now and then when a renderer is killed while its tab opens."""
    browsers = await start(limits=replace(PATIENT, open_s=0.5))
    await until_whole(browsers, count=1, slots=2)
    owner = Browser if call == "new_context" else BrowserContext
    answered = getattr(owner, call)
    silent: list[asyncio.Future[None]] = []

    async def silent_once(self: Browser | BrowserContext, **options: Any) -> Any:
        if not silent:
            silent.append(asyncio.get_running_loop().create_future())
            await silent[0]
        return await answered(self, **options)

    monkeypatch.setattr(owner, call, silent_once)
    await (await browsers.context()).close()
    await until(lambda: bool(silent))
    await until_whole(browsers, count=1, slots=2)
    process = browsers._supervisors[0].process
    assert process is not None
    await until(lambda: len(process._browser.contexts) == len(process.contexts))
    silent[0].set_exception(PlaywrightError("the browser has been closed"))
