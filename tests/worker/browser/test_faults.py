"""Browsers and drivers that die or hang in the middle of a task."""

import asyncio
import os
import signal

import psutil
import pytest
from aiohttp.test_utils import TestServer
from playwright.async_api import Error as PlaywrightError

from tests.harness.waiting import (
    PATIENT,
    live_processes,
    processes_of_type,
    renderers,
    until,
    until_whole,
)
from tests.worker.browser.conftest import StartBrowsers
from worker.browser.browser_context import TaskContext
from worker.browser.browser_states import Ending, FreedBy, Loss
from worker.browser.browsers import Browsers
from worker.browser.errors import is_crash
from worker.browser.os_processes import kill
from worker.browser.time_limits import Limits

# So patient that only the fault's own way of being noticed can be what noticed it.
PING_NEVER = Limits(ping_interval_s=600)
CLOSE_NEVER = Limits(close_s=600, ping_s=2)


def _pids(browsers: Browsers, task: TaskContext) -> tuple[int, int]:
    """(Chromium's, the driver's) process id of the browser that `task` runs in."""
    return task.browser_pid, next(
        one.driver_pid for one in browsers.stats().browsers if one.pid == task.browser_pid
    )


@pytest.mark.parametrize(
    ("victim", "lost", "ending"),
    [(0, Loss.BROWSER, Ending.BROWSER_DIED), (1, Loss.DRIVER, Ending.DRIVER_DIED)],
    ids=["browser", "driver"],
)
async def test_a_killed_process_is_told_to_its_task_and_replaced_without_the_others_noticing(
    victim: int, lost: Loss, ending: Ending, start: StartBrowsers, site: TestServer
) -> None:
    browsers = await start(count=2, slots=4, limits=PING_NEVER)
    await until_whole(browsers, count=2, slots=4)
    before = live_processes()
    hit, unhurt = await browsers.context(), await browsers.context()
    assert hit.browser_pid != unhurt.browser_pid
    call = asyncio.ensure_future(hit.page.evaluate("new Promise(() => {})"))
    await hit.page.title()  # the call above is under way by now, as calls are sent in order

    os.kill(_pids(browsers, hit)[victim], signal.SIGKILL)

    assert await asyncio.wait_for(hit.lost, 30) is lost
    with pytest.raises(PlaywrightError):
        await asyncio.wait_for(call, 30)
    assert await hit.close() is FreedBy.CLOSE
    await unhurt.page.goto(str(site.make_url("/page")))
    assert await unhurt.page.title() == "A page"
    assert not unhurt.lost.done()
    await unhurt.close()
    await until_whole(browsers, count=2, slots=4)
    assert browsers.stats().restarts == {ending: 1}
    await until(lambda: live_processes() <= before)


@pytest.mark.parametrize(
    ("victim", "lost"), [(0, Loss.BROWSER), (1, Loss.DRIVER)], ids=["browser", "driver"]
)
async def test_a_process_that_stands_still_is_found_by_the_ping_and_replaced(
    victim: int, lost: Loss, start: StartBrowsers
) -> None:
    browsers = await start(limits=CLOSE_NEVER)
    await until_whole(browsers, count=1, slots=2)
    task = await browsers.context()

    os.kill(_pids(browsers, task)[victim], signal.SIGSTOP)

    assert await asyncio.wait_for(task.lost, 30) is lost
    await task.close()
    await until_whole(browsers, count=1, slots=2)
    assert browsers.stats().restarts == {Ending.HUNG: 1}


@pytest.mark.parametrize(
    ("victim", "freed_by", "limits"),
    [
        (0, FreedBy.BROWSER_KILLED, Limits(ping_interval_s=600, close_s=1, browser_kill_s=30)),
        (1, FreedBy.DRIVER_KILLED, Limits(ping_interval_s=600, close_s=1)),
    ],
    ids=["browser", "driver"],
)
async def test_a_close_that_hangs_ends_by_force_and_the_others_of_that_browser_are_told(
    victim: int, freed_by: FreedBy, limits: Limits, start: StartBrowsers
) -> None:
    browsers = await start(slots=3, limits=limits)
    task, neighbour = await browsers.context(), await browsers.context()

    os.kill(_pids(browsers, task)[victim], signal.SIGSTOP)

    assert await asyncio.wait_for(task.close(), 30) is freed_by
    assert await asyncio.wait_for(neighbour.lost, 30) in (Loss.BROWSER, Loss.DRIVER)
    assert await neighbour.close() is FreedBy.CLOSE
    await until_whole(browsers, count=1, slots=3)
    assert browsers.stats().restarts == {Ending.CLOSE_HUNG: 1}


async def test_a_close_whose_caller_gives_up_still_goes_to_its_end(start: StartBrowsers) -> None:
    browsers = await start(limits=PATIENT)
    task = await browsers.context()
    closing = asyncio.ensure_future(task.close())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    await until_whole(browsers, count=1, slots=2)
    assert await task.close() is FreedBy.CLOSE


async def test_a_context_that_its_caller_no_longer_waits_for_is_closed(
    start: StartBrowsers,
) -> None:
    browsers = await start()
    await until_whole(browsers, count=1, slots=2)
    wanted = asyncio.ensure_future(browsers.context({"locale": "de-DE"}))
    await until(lambda: browsers.stats().contexts_in_use == 1)
    wanted.cancel()
    with pytest.raises(asyncio.CancelledError):
        await wanted
    await until_whole(browsers, count=1, slots=2)


async def test_a_loop_of_ours_that_stands_still_is_not_blamed_on_the_browser(
    start: StartBrowsers,
) -> None:
    browsers = await start(limits=Limits(ping_interval_s=0.05, ping_s=0.6, close_s=0.6))
    task = await browsers.context()
    pid = task.browser_pid
    closing = asyncio.ensure_future(task.close())
    for _ in range(4):
        await asyncio.sleep(0.01)
        os.kill(pid, 0)
        _stand_still(0.9)
    assert await closing is FreedBy.CLOSE
    await until_whole(browsers, count=1, slots=2)
    assert browsers.stats().restarts == {}


def _stand_still(seconds: float) -> None:
    signal.sigtimedwait([], seconds)


async def test_the_supervisor_takes_a_browser_that_ended_out_of_the_choice_at_once(
    start: StartBrowsers,
) -> None:
    browsers = await start(limits=PING_NEVER)
    first = await browsers.context()
    os.kill(first.browser_pid, signal.SIGKILL)
    await first.lost
    second = await asyncio.wait_for(browsers.context(), 30)
    assert second.browser_pid != first.browser_pid
    await second.page.set_content("<title>alive</title>")
    assert await second.page.title() == "alive"
    await first.close()
    await second.close()


async def test_a_context_that_was_being_opened_in_a_browser_that_dies_comes_from_another(
    start: StartBrowsers,
) -> None:
    browsers = await start(limits=PING_NEVER)
    await until_whole(browsers, count=1, slots=2)
    [browser] = browsers.stats().browsers
    os.kill(browser.pid, signal.SIGSTOP)
    opening = asyncio.ensure_future(browsers.context({"locale": "de-DE"}))
    await until(lambda: browsers.stats().contexts_in_use == 1)
    os.kill(browser.pid, signal.SIGKILL)
    task = await asyncio.wait_for(opening, 30)
    assert task.browser_pid != browser.pid
    assert await task.page.evaluate("navigator.language") == "de-DE"
    await task.close()
    await until_whole(browsers, count=1, slots=2)


async def test_renderers_killed_while_a_context_opens_are_not_blamed_on_its_options(
    start: StartBrowsers,
) -> None:
    browsers = await start(limits=PING_NEVER)
    await until_whole(browsers, count=1, slots=2)
    [browser] = browsers.stats().browsers
    before = renderers(browser.pid)
    opening = asyncio.ensure_future(browsers.context({"locale": "de-DE"}))
    killed: set[psutil.Process] = set()
    while len(killed) < 4 and not opening.done():
        for process in renderers(browser.pid) - before - killed:
            kill(process)
            killed.add(process)
        await asyncio.sleep(0.02)
    task = await asyncio.wait_for(opening, 60)
    if task.lost.done():  # the last one was killed when it had just opened
        await task.close()
        task = await browsers.context({"locale": "de-DE"})
    assert await task.page.evaluate("navigator.language") == "de-DE"
    await task.close()
    await until_whole(browsers, count=1, slots=2)
    assert browsers.stats().restarts == {}


@pytest.mark.parametrize("opened", ["by us", "by the function"])
async def test_a_tab_that_never_opens_is_a_crash_and_not_a_wait_for_ever(
    opened: str, start: StartBrowsers
) -> None:
    browsers = await start(limits=Limits(open_s=5), slots=1)
    await until_whole(browsers, count=1, slots=1)
    task = await browsers.context()
    context = task.context
    if opened == "by the function":
        assert context.browser is not None
        context = await context.browser.new_context()
    zygotes = processes_of_type(task.browser_pid, "zygote")
    for zygote in zygotes:  # no new renderer starts, and the browser itself goes on
        zygote.suspend()
    try:
        with pytest.raises(PlaywrightError, match=r"did not open within 5 s") as raised:
            await asyncio.wait_for(context.new_page(), 30)
    finally:
        for zygote in zygotes:
            zygote.resume()
    assert is_crash(raised.value)
    assert not task.lost.done()
    await task.close()
    await until_whole(browsers, count=1, slots=1)
    assert browsers.stats().restarts == {}


async def test_who_gives_up_a_tab_that_opens_gives_up_the_call(start: StartBrowsers) -> None:
    browsers = await start(slots=1)
    task = await browsers.context()
    opening = asyncio.ensure_future(task.context.new_page())
    await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    await task.close()


async def test_an_error_that_lies_waiting_in_the_connection_costs_no_browser_and_no_context(
    start: StartBrowsers,
) -> None:
    browsers = await start(limits=Limits(ping_interval_s=0.2))
    await until_whole(browsers, count=1, slots=2)
    task = await browsers.context()

    async def leave_error() -> None:
        """As an unguarded listener of some object would: the next call raises it."""
        page = await task.context.new_page()
        type(page).on(page, "close", _raise)
        await page.close()

    await leave_error()
    other = await browsers.context({"locale": "de-DE"})
    await leave_error()
    assert await other.close() is FreedBy.CLOSE
    await leave_error()
    await asyncio.sleep(0.5)  # some pings
    assert not task.lost.done()
    assert await task.close() is FreedBy.CLOSE
    await until_whole(browsers, count=1, slots=2)
    assert browsers.stats().restarts == {}


def _raise(_: object) -> None:
    raise ZeroDivisionError
