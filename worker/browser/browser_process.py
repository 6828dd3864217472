"""One browser process: a Chromium with a Playwright driver of its own."""

import asyncio
import contextlib
import shutil
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import psutil
import structlog
from playwright.async_api import Browser, BrowserType, CDPSession

from worker.browser.bounded_wait import done_within
from worker.browser.browser_context import TaskContext
from worker.browser.browser_states import MOVES, BrowserState, Ending, Loss
from worker.browser.context_proxy import TrafficGuard
from worker.browser.driver import Driver
from worker.browser.launch import LaunchPlan
from worker.browser.opening import limit_new_contexts, open_with_page
from worker.browser.os_processes import (
    ExitWatch,
    is_ending,
    kill,
    kill_group,
    processes_of,
    stopped,
)
from worker.browser.time_limits import Limits

log = structlog.get_logger(__name__)

KILLED_WITHIN_S = 1.0
PING_TRIES = 3

Launch = Callable[[BrowserType, dict[str, Any]], Awaitable[Browser]]
"""Starts a browser with the arguments of Playwright's `launch`."""


async def launched(chromium: BrowserType, options: dict[str, Any]) -> Browser:
    """A browser without a context."""
    return await chromium.launch(**options)


class BrowserProcess:
    """A Chromium and its driver, from launch until their last file is removed.

    Each browser has its own driver, because a flooded or stopped driver blocks all its browsers.
    `contexts` are all open contexts; `spares` are those without a task. `tasks` counts the
    contexts given to tasks. The supervisor sets `memory_mb` and `suspect` (slow to respond).
    """

    def __init__(
        self,
        driver: Driver,
        browser: Browser,
        cdp: CDPSession,
        pid: int,
        *,
        folder: Path,
        number: int,
        limits: Limits,
        guard: TrafficGuard | None,
    ) -> None:
        self.number = number
        self.state = BrowserState.READY
        self.driver = driver
        self.folder = folder
        self.chromium = psutil.Process(pid)
        self.version = browser.version
        self.tasks = 0
        self.memory_mb = 0
        self.suspect = False
        self.spares: deque[TaskContext] = deque()
        self.contexts: set[TaskContext] = set()
        self.ended: asyncio.Future[Loss] = asyncio.get_running_loop().create_future()
        self._browser = browser
        limit_new_contexts(browser, limits.open_s)
        self._cdp = cdp
        self._limits = limits
        self._guard = guard
        self._given_up: Ending | None = None
        self._driver_given_up = False
        self._opening = 0
        self._changed = asyncio.Event()
        self._exit = ExitWatch(self.chromium)
        driver.on_flood = self._flooded
        driver.exit.ended.add_done_callback(lambda _: self._end(Loss.DRIVER))
        self._exit.ended.add_done_callback(lambda _: self._end(self._lost_with_browser()))

    @classmethod
    async def start(
        cls,
        plan: LaunchPlan,
        parent: Path,
        *,
        number: int,
        boot_id: str,
        limits: Limits,
        one_driver: asyncio.Lock,
        guard: TrafficGuard | None,
        launch: Launch = launched,
    ) -> "BrowserProcess":
        """Start driver and browser, with their temporary files in a folder inside `parent`.

        `one_driver` serializes the starts of drivers (see Driver.start). `guard` gives each
        context a proxy of its own; None for none. `launch` gets the arguments of Playwright's.
        Raises BrowserMissing, PlaywrightError, OSError or TimeoutError, after a full cleanup.
        """
        folder = parent / f"browser-{number}"
        executable = plan.executable()
        folder.mkdir(parents=True)  # this boot's folder may have been removed with DATA_DIR
        driver = None
        try:
            async with asyncio.timeout(limits.start_s):
                async with one_driver:
                    driver = await Driver.start(folder)
                options = plan.launch_options(executable, boot_id=boot_id)
                browser = await launch(driver.playwright.chromium, options)
                cdp = await browser.new_browser_cdp_session()
                # The only public source of the process id, and an exact one.
                info = await cdp.send("SystemInfo.getProcessInfo")
                pid = next(one["id"] for one in info["processInfo"] if one["type"] == "browser")
                return cls(
                    driver,
                    browser,
                    cdp,
                    pid,
                    folder=folder,
                    number=number,
                    limits=limits,
                    guard=guard,
                )
        except BaseException:
            for left in processes_of(folder):
                kill(left)
            if driver is not None:
                await driver.stop()
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
            raise

    @property
    def in_use(self) -> int:
        """The number of contexts that tasks have or are about to get."""
        return len(self.contexts) - len(self.spares) + self._opening

    def move_to(self, state: BrowserState) -> None:
        """Change the state; asserts that the move is legal."""
        assert state in MOVES[self.state], f"{self.state} -> {state}"
        self.state = state
        self.notify()

    def notify(self) -> None:
        """Wake the waiter in `changed`."""
        self._changed.set()

    async def changed(self) -> None:
        """Wait until this browser has changed since the last call."""
        await self._changed.wait()
        self._changed.clear()

    def take_spare(self) -> TaskContext | None:
        """A usable spare for the caller, or None."""
        self._drop_broken_spares()
        if not self.spares:
            return None
        self.tasks += 1
        spare = self.spares.popleft()
        self.notify()
        return spare

    async def open(
        self, options: Mapping[str, Any], *, proxy: Mapping[str, str] | None = None
    ) -> TaskContext:
        """A new context with one page, for a task. `options` as in Playwright's `new_context`.

        `proxy` is the operator's, for contexts without one in their `options`.
        Raises ContextOptionsRefused, PlaywrightError if the browser ends or its tab fails, or
        OSError if the context's proxy cannot be opened.
        """
        self._opening += 1
        try:
            opened = await self._open(options, proxy)
        finally:
            self._opening -= 1
            self.notify()  # after a failure, one more spare may be wanted
        self.tasks += 1
        return opened

    async def add_spare(self) -> None:
        """Open one more spare. Raises the errors of `open`."""
        self._drop_broken_spares()
        self.spares.append(await self._open({}, None))

    def release(self, context: TaskContext) -> None:
        """Remove a context that has ended, and its proxy."""
        self.release_use(context)
        if context.proxy is not None:
            context.proxy.close()

    def release_use(self, context: TaskContext) -> None:
        """Remove a task's use of a context."""
        self.contexts.discard(context)
        self.notify()

    async def end(self, context: TaskContext) -> None:
        """Close a context."""
        await context.context.close()

    async def _open(
        self, options: Mapping[str, Any], operators: Mapping[str, str] | None
    ) -> TaskContext:
        proxy, own = None, options.get("proxy")
        if self._guard is not None:
            proxy = await self._guard.open(own or operators, trusted=own is None)
            options = {**options, "proxy": {"server": proxy.server}}
        elif own is None and operators is not None:
            options = {**options, "proxy": operators}
        try:
            context, page = await open_with_page(
                self._browser, options, ping=self.ping, limits=self._limits
            )
        except BaseException:
            if proxy is not None:
                proxy.close()
            raise
        opened = TaskContext(self, context, page, self._limits, proxy)
        self.contexts.add(opened)
        if self.ended.done():  # it ended while the page opened, when `_end` had no such context
            opened.lose(self.ended.result())
        return opened

    def _drop_broken_spares(self) -> None:
        """Close spares that are no longer usable: their pages may crash when memory is short."""
        broken = [spare for spare in self.spares if not spare.usable]
        for spare in broken:
            self.spares.remove(spare)
            spare.close_soon()

    def ping(self) -> asyncio.Future[bool]:
        """Probe driver and browser: True if they respond, False if they are dead.

        The future may never resolve, and needs no waiter. The probe also consumes an error that
        the connection stored for its next call.
        """
        return asyncio.ensure_future(self._ping())

    def has_closed(self, context: TaskContext) -> bool:
        """Whether Playwright has removed this context, or this browser has ended."""
        return self.ended.done() or context.context not in self._browser.contexts

    def give_up(self, ending: Ending) -> None:
        """Send SIGKILL to Chromium and all its children; `ending` is the reason."""
        self._given_up = self._given_up or ending
        kill_group(self.chromium)

    def give_up_driver(self, ending: Ending) -> None:
        """Send SIGKILL to the driver, if killing Chromium had no effect. Chromium then ends too."""
        self._given_up = self._given_up or ending
        self._driver_given_up = True
        kill(self.driver.process)

    def give_up_hung(self) -> None:
        """Kill a browser that does not respond, or its driver if a signal stopped the driver."""
        if stopped(self.driver.process):
            self.give_up_driver(Ending.HUNG)
        else:
            self.give_up(Ending.HUNG)

    @property
    def is_ending(self) -> bool:
        """Whether one of the two processes has ended, which may not be noticed yet."""
        return is_ending(self.chromium) or is_ending(self.driver.process)

    @property
    def ending(self) -> Ending:
        """Why the browser ended or is ending."""
        if self._given_up is not None:
            return self._given_up
        died = self.ended.done() and self.ended.result() is Loss.DRIVER
        return Ending.DRIVER_DIED if died else Ending.BROWSER_DIED

    def retire(self) -> None:
        """Accept no new task; running tasks continue."""
        if self.state is BrowserState.READY:
            self.move_to(BrowserState.RETIRING)
            for spare in self.spares:
                spare.close_soon()
            self.spares.clear()

    async def destroy(self) -> None:
        """End both processes, wait for their exit, remove their files. Takes bounded time.

        Chromium gets SIGKILL at once: its tasks have ended, and it has no data worth saving.
        """
        if self.state is not BrowserState.ENDED:
            self.move_to(BrowserState.ENDED)
        kill_group(self.chromium)
        await self.driver.stop()
        await asyncio.gather(*(context.close() for context in self.contexts))
        await done_within(self._exit.ended, KILLED_WITHIN_S)
        self._exit.close()
        await asyncio.to_thread(shutil.rmtree, self.folder, ignore_errors=True)

    async def _ping(self) -> bool:
        # The connection stores an error without a call, and the next call raises it: a single
        # failure proves nothing. With a dead driver or browser, each call fails.
        for _ in range(PING_TRIES):
            with contextlib.suppress(Exception):
                await self._cdp.send("Browser.getVersion")
                return True
        return False

    def _flooded(self, guid: str) -> None:
        """End the task of a context whose pages exceeded their budget of events."""
        log.warning("browser.flooded", pid=self.chromium.pid)
        for context in self.contexts:
            if context.guid == guid:
                context.lose(Loss.FLOOD)
                return
        # A function opened this context itself, so no task is known: kill the browser.
        self.give_up(Ending.FLOODED)

    def _lost_with_browser(self) -> Loss:
        """A browser ends with its driver, and both exits may be seen at the same moment."""
        driver_gone = self._driver_given_up or is_ending(self.driver.process)
        return Loss.DRIVER if driver_gone else Loss.BROWSER

    def _end(self, lost: Loss) -> None:
        """Mark every context as lost, as one of the two processes has ended."""
        if self.ended.done():
            return
        self.ended.set_result(lost)
        if self.state is not BrowserState.ENDED:
            self.move_to(BrowserState.ENDED)
        for context in self.contexts:
            context.lose(lost)
