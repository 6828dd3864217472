"""Playwright's driver: a Node.js process between the worker and one browser."""

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import structlog
from playwright.async_api import Playwright, async_playwright

from slotgrid.runtime.process_tree import children
from worker.browser.bounded_wait import consume, done_within
from worker.browser.event_budget import EventMeter
from worker.browser.os_processes import ExitWatch, kill, processes_of

log = structlog.get_logger(__name__)

SPAWN_POLL_S = 0.005
STOP_S = 1.0
YOUNG_MB = 4
"""Limit of each of the two halves of V8's young generation in a driver. V8's default is 16, which
a driver reaches after some hundred tasks: 40 MB more, with no effect that a task would notice."""
FORGOTTEN = (
    "Connection closed while reading from the driver",
    "Cannot launch Node.js executable",
)


class Driver:
    """One running driver. It ends by itself when its parent, the worker, ends.

    The driver stays in the worker's process group and survives Ctrl-C, as Playwright makes it
    ignore SIGINT for that purpose. SIGTERM to the whole group would end the driver, so a service
    manager must first signal only the worker (systemd: `KillMode=mixed`).
    `on_flood` gets the guid of a browser context whose pages exceed their budget of events; later
    events of that context are dropped, and the context must be closed.
    """

    def __init__(self, playwright: Playwright, process: psutil.Process) -> None:
        self.playwright = playwright
        self.process = process
        self.exit = ExitWatch(process)
        self.on_flood: Callable[[str], None] = _log_flood

    @classmethod
    async def start(cls, folder: Path) -> "Driver":
        """Start a driver that keeps its and its browser's temporary files in `folder`.

        Start one driver at a time: Playwright passes our own environment to the child and accepts
        no other, so TMPDIR is set in it until the process exists. TMPDIR also identifies the
        driver among our children, as Playwright does not expose its process id.
        """
        # The parents may have been removed together with DATA_DIR.
        await asyncio.to_thread(folder.mkdir, mode=0o700, parents=True, exist_ok=True)
        manager = async_playwright()
        starting = asyncio.ensure_future(manager.start())
        theirs = os.environ.get("NODE_OPTIONS", "")  # appended, so they override ours
        options = f"--max-semi-space-size={YOUNG_MB} {theirs}".rstrip()
        try:
            with _environment(TMPDIR=str(folder), NODE_OPTIONS=options):
                process = await _spawned(starting, folder)
            driver = cls(await asyncio.shield(starting), process)
            # A lambda reads the attribute at each call: BrowserProcess sets it later.
            EventMeter.install(manager._client, lambda guid: driver.on_flood(guid))  # noqa: PLW0108
        except BaseException:
            for left in processes_of(folder):
                kill(left)
            # Not cancelled: Playwright would leave a task whose exception is never retrieved.
            await done_within(starting, STOP_S)
            starting.add_done_callback(consume)
            raise
        return driver

    async def stop(self) -> None:
        """End the driver, by SIGKILL if it does not react. Takes bounded time."""
        # First, even before a kill: Playwright then expects the pipe to close.
        stopping = asyncio.ensure_future(self.playwright.stop())
        if not await done_within(stopping, STOP_S):
            kill(self.process)
            await done_within(stopping, STOP_S)
        stopping.add_done_callback(consume)
        await done_within(self.exit.ended, STOP_S)
        self.exit.close()


def _log_flood(context: str) -> None:
    log.warning("browser.flooded", context=context)


async def _spawned(starting: asyncio.Future[Any], folder: Path) -> psutil.Process:
    """The child of this process that was started with `folder` as its TMPDIR."""
    while not (found := processes_of(folder, among=_children())):
        if starting.done():
            await starting  # raises the cause
            raise ProcessLookupError("the driver ended as soon as it was started")
        await asyncio.sleep(SPAWN_POLL_S)
    return found[0]


def _children() -> Iterator[psutil.Process]:
    for pid in children(os.getpid()):
        with contextlib.suppress(psutil.NoSuchProcess):
            yield psutil.Process(pid)


@contextlib.contextmanager
def _environment(**values: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def is_driver_death(context: dict[str, Any]) -> bool:
    """Whether an asyncio report is about the future that Playwright drops when its driver ends."""
    forgotten = str(context.get("message", "")).startswith("Future exception was never retrieved")
    return forgotten and str(context.get("exception")).startswith(FORGOTTEN)


def silence_driver_deaths(loop: asyncio.AbstractEventLoop) -> None:
    """Filter only that report out of the loop's exception handler.

    The supervisor of the browser detects, handles and logs the death itself.
    """
    previous = loop.get_exception_handler()

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if is_driver_death(context):
            return
        if previous is None:
            loop.default_exception_handler(context)
        else:
            previous(loop, context)

    loop.set_exception_handler(handle)
