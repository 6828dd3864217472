"""Playwright's driver: a Node.js process between us and one browser."""

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
from worker.browser.events import EventMeter
from worker.browser.patience import consume, done_within
from worker.browser.processes import ExitWatch, kill, processes_of

log = structlog.get_logger(__name__)

SPAWN_POLL_S = 0.005
STOP_S = 1.0
YOUNG_MB = 4
"""What V8 may take for new objects in a driver, in each of two halves. It would take 16, which a
driver reaches after some hundred tasks: 40 MB more for nothing that a task would feel."""
FORGOTTEN = (
    "Connection closed while reading from the driver",
    "Cannot launch Node.js executable",
)


class Driver:
    """One running driver. It ends by itself when its parent, the worker, does.

    It stays in the worker's process group and survives a Ctrl-C there: it ignores SIGINT, as
    Playwright made it for this very reason. SIGTERM to the whole group would end it, so a service
    manager must signal the worker alone first (systemd: `KillMode=mixed`).
    `on_flood` gets the guid of a browser context whose pages exceed their budget of events; that
    context's events are dropped from then on, and it has to be closed.
    """

    def __init__(self, playwright: Playwright, process: psutil.Process) -> None:
        self.playwright = playwright
        self.process = process
        self.exit = ExitWatch(process)
        self.on_flood: Callable[[str], None] = _log_flood

    @classmethod
    async def start(cls, folder: Path) -> "Driver":
        """Starts a driver that keeps its and its browser's temporary files in `folder`.

        Not twice at the same time: Playwright hands our own environment down, with no way to
        give another, so TMPDIR is set in it until the process is there. The same variable tells
        which of our children it is, as Playwright does not tell the process id either.
        """
        # Somebody may have removed it, with DATA_DIR.
        await asyncio.to_thread(folder.mkdir, mode=0o700, parents=True, exist_ok=True)
        manager = async_playwright()
        starting = asyncio.ensure_future(manager.start())
        theirs = os.environ.get("NODE_OPTIONS", "")  # which come later, and so win
        options = f"--max-semi-space-size={YOUNG_MB} {theirs}".rstrip()
        try:
            with _environment(TMPDIR=str(folder), NODE_OPTIONS=options):
                process = await _spawned(starting, folder)
            driver = cls(await asyncio.shield(starting), process)
            # Not the method itself, which the browser's process sets later.
            EventMeter.install(manager._client, lambda guid: driver.on_flood(guid))  # noqa: PLW0108
        except BaseException:
            for left in processes_of(folder):
                kill(left)
            # Not cancelled: Playwright would leave a task behind whose error nobody reads.
            await done_within(starting, STOP_S)
            starting.add_done_callback(consume)
            raise
        return driver

    async def stop(self) -> None:
        """Ends the driver, by force if it does not listen; always ends itself."""
        # Asked first even if we are about to kill: it then expects the pipe to close.
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
    """The child of ours that was started with `folder` as its TMPDIR."""
    while not (found := processes_of(folder, among=_children())):
        if starting.done():
            await starting  # raises what was wrong
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
    """Whether an asyncio report is of the future that Playwright forgets when its driver ends."""
    forgotten = str(context.get("message", "")).startswith("Future exception was never retrieved")
    return forgotten and str(context.get("exception")).startswith(FORGOTTEN)


def silence_driver_deaths(loop: asyncio.AbstractEventLoop) -> None:
    """Filters exactly that report out of the loop's exception handler; all others go on as before.

    The death itself is noticed, acted upon and logged by the supervisor of its browser.
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
