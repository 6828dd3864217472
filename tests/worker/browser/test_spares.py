"""Contexts opened ahead of need, and how tasks spread over the browsers."""

import asyncio
import statistics
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext
from playwright.async_api import Error as PlaywrightError

from tests.worker.browser.conftest import StartBrowsers
from tests.worker.browser.waiting import PATIENT, until, until_whole
from worker.browser.browsers import Browsers


async def _wait_for_context(browsers: Browsers, options: Mapping[str, Any]) -> float:
    """Seconds that a task waits for its context, when nothing else runs."""
    await until_whole(browsers, count=1, slots=2)
    before = time.perf_counter()
    task = await browsers.context(options)
    waited_s = time.perf_counter() - before
    await task.close()
    return waited_s


async def test_a_task_hardly_waits_for_a_spare(start: StartBrowsers) -> None:
    browsers = await start(limits=PATIENT)
    spare_s = [await _wait_for_context(browsers, {}) for _ in range(7)]
    fresh_s = [await _wait_for_context(browsers, {"locale": "en-GB"}) for _ in range(7)]
    assert statistics.median(spare_s) < statistics.median(fresh_s) / 5


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
    process = browsers._places[0].process
    assert process is not None
    await until(lambda: len(process._browser.contexts) == len(process.contexts))
    silent[0].set_exception(PlaywrightError("the browser has been closed"))
