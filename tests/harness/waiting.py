"""Waiting for what must come true, and asking what is left."""

import asyncio
import contextlib
from collections.abc import Callable

import psutil

from worker.browser.browser_states import BrowserState
from worker.browser.browsers import Browsers
from worker.browser.time_limits import Limits

PATIENT = Limits(ping_s=30, close_s=30)
"""For tests in which nothing may be killed, however slow the machine is."""


async def until(condition: Callable[[], bool], within_s: float = 60) -> None:
    """Returns when `condition` holds; fails the test when it does not within a long time."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def until_whole(browsers: Browsers, *, count: int, slots: int) -> None:
    """Returns when `count` browsers are ready, no context is in use and every spare is there."""

    def whole() -> bool:
        stats = browsers.stats()
        return (
            len(stats.browsers) == count
            and all(browser.state is BrowserState.READY for browser in stats.browsers)
            and stats.contexts_in_use == 0
            and stats.spares == slots
        )

    await until(whole)


def live_processes() -> int:
    """How many processes descend from us and are not just zombies."""
    return sum(
        child.status() != psutil.STATUS_ZOMBIE
        for child in psutil.Process().children(recursive=True)
    )


def renderers(browser_pid: int) -> set[psutil.Process]:
    """The processes of a browser that show its tabs."""
    return processes_of_type(browser_pid, "renderer")


def processes_of_type(browser_pid: int, type_: str) -> set[psutil.Process]:
    """The processes of a browser that Chromium calls so; none when it has ended."""
    found: set[psutil.Process] = set()
    with contextlib.suppress(psutil.NoSuchProcess):
        for process in psutil.Process(browser_pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if f"--type={type_}" in process.cmdline():
                    found.add(process)
    return found
