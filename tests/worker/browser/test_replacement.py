"""Browsers that are replaced in good order, and those that do not start."""

import asyncio
import shlex
import shutil
from pathlib import Path
from typing import Any

import psutil
import pytest

from slotgrid.runtime.setting_choices import BrowserKind
from tests.harness.waiting import until, until_whole
from tests.worker.browser.conftest import StartBrowsers
from worker.browser.browser_states import BrowserState, Ending
from worker.browser.browsers import Browsers
from worker.browser.errors import BrowserUnavailable, ContextOptionsRefused
from worker.browser.find_chromium import find_executable
from worker.browser.launch import LaunchPlan
from worker.browser.time_limits import Limits

SOON = Limits(ping_interval_s=0.05, memory_interval_s=0.05)


@pytest.mark.parametrize(
    ("ceiling", "ending"),
    [({"max_tasks": 1}, Ending.MAX_TASKS), ({"max_memory_mb": 1}, Ending.MAX_MEMORY)],
    ids=["tasks", "memory"],
)
async def test_a_browser_past_its_ceiling_is_replaced_and_ends_when_its_last_task_has_gone(
    ceiling: dict[str, Any], ending: Ending, start: StartBrowsers
) -> None:
    browsers = await start(limits=SOON, **ceiling)
    old = await browsers.context()
    pid = old.browser_pid

    def replaced() -> bool:
        return any(
            one.state is BrowserState.READY and one.pid != pid for one in browsers.stats().browsers
        )

    await until(replaced)
    assert browsers.stats().restarts[ending] >= 1
    await old.page.set_content("<title>goes on</title>")
    assert await old.page.title() == "goes on"
    assert not old.lost.done()
    assert next(one for one in browsers.stats().browsers if one.pid == pid).spares == 0
    new = await browsers.context()
    assert new.browser_pid != pid
    await old.close()
    await until(lambda: all(one.pid != pid for one in browsers.stats().browsers))
    await new.close()


async def test_until_its_replacement_is_ready_a_browser_past_its_ceiling_still_serves(
    start: StartBrowsers,
) -> None:
    browsers = await start(slots=4, limits=SOON, max_tasks=2)
    for _ in range(8):
        task = await asyncio.wait_for(browsers.context(), 30)
        assert not task.lost.done()
        await task.page.set_content("<title>served</title>")
        assert await task.page.title() == "served"
        await task.close()
    assert browsers.stats().restarts.keys() <= {Ending.MAX_TASKS}


async def test_without_chromium_a_task_is_told_why_and_one_installed_later_is_found(
    start: StartBrowsers, tmp_path: Path
) -> None:
    path = tmp_path / "chromium-headless-shell"
    browsers = await start(LaunchPlan(chromium_path=path), count=2)
    assert browsers.stats().browsers == ()
    assert "CHROMIUM_PATH" in str(browsers.stats().problem)
    with pytest.raises(BrowserUnavailable, match="CHROMIUM_PATH"):
        await browsers.context()
    real = find_executable(BrowserKind.SHELL).path
    path.write_text(f'#!/bin/sh\nexec {shlex.quote(str(real))} "$@"\n')
    path.chmod(0o755)
    await until(lambda: len(browsers.stats().browsers) == 2)
    assert browsers.stats().problem is None
    await (await browsers.context()).close()


async def test_a_chromium_that_ends_at_once_is_a_problem_and_leaves_nothing(
    start: StartBrowsers, tmp_path: Path
) -> None:
    broken = tmp_path / "chromium"
    broken.write_text("#!/bin/sh\necho no library >&2\nexit 127\n")
    broken.chmod(0o755)
    browsers = await start(LaunchPlan(chromium_path=broken))
    with pytest.raises(BrowserUnavailable, match="no library"):
        await asyncio.wait_for(browsers.context(), 30)


async def test_whoever_still_waits_at_the_end_is_told(tmp_path: Path) -> None:
    slow = tmp_path / "chromium"
    slow.write_text("#!/bin/sh\nexec sleep 600\n")
    slow.chmod(0o755)
    browsers = Browsers(
        LaunchPlan(chromium_path=slow), count=1, slots=1, temp_dir=tmp_path / "temp"
    )
    async with browsers.running():
        waiting = asyncio.ensure_future(browsers.context())
        await asyncio.sleep(0)
    with pytest.raises(BrowserUnavailable, match="not running"):
        await waiting
    with pytest.raises(BrowserUnavailable):
        await browsers.context()


async def test_options_that_playwright_refuses_are_told_and_hurt_no_browser(
    start: StartBrowsers,
) -> None:
    browsers = await start()
    with pytest.raises(ContextOptionsRefused, match="nonsense"):
        await browsers.context({"nonsense": 1})
    with pytest.raises(ContextOptionsRefused, match="geolocation"):
        await browsers.context({"geolocation": {"latitude": 1000, "longitude": 0}})
    await until_whole(browsers, count=1, slots=2)
    assert browsers.stats().restarts == {}


async def test_options_are_those_of_the_context(start: StartBrowsers) -> None:
    browsers = await start()
    task = await browsers.context({"locale": "de-DE", "viewport": {"width": 300, "height": 200}})
    assert await task.page.evaluate("[navigator.language, innerWidth]") == ["de-DE", 300]
    await task.close()


def test_more_browsers_than_slots_make_no_sense(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="3 browsers for 2 slots"):
        Browsers(LaunchPlan(), count=3, slots=2, temp_dir=tmp_path)


async def test_a_browser_is_replaced_although_the_folder_of_this_boot_was_removed(
    start: StartBrowsers, tmp_path: Path
) -> None:
    browsers = await start(limits=SOON)
    while (tmp_path / "temp").exists():  # the browser may still be writing into it
        shutil.rmtree(tmp_path / "temp", ignore_errors=True)
    (before,) = browsers.stats().browsers
    psutil.Process(before.pid).kill()
    await until(lambda: any(one.pid != before.pid for one in browsers.stats().browsers))
    await until_whole(browsers, count=1, slots=2)
    context = await browsers.context()
    await context.page.set_content("<title>works</title>")
    await context.close()
