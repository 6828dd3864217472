"""One browser process: a Chromium with a Playwright driver of its own."""

import asyncio
import contextlib
import shutil
from collections import deque
from collections.abc import Awaitable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import psutil
import structlog
from playwright.async_api import Browser, BrowserContext, CDPSession, Page
from playwright.async_api import Error as PlaywrightError

from worker.browser.context import TaskContext
from worker.browser.driver import Driver
from worker.browser.errors import ContextOptionsRefused, tells_of_crash
from worker.browser.launch import LaunchPlan
from worker.browser.limits import Limits
from worker.browser.patience import consume, done_within
from worker.browser.processes import ExitWatch, is_ending, kill, kill_group, processes_of, stopped
from worker.browser.states import MOVES, BrowserState, Ending, Lost

log = structlog.get_logger(__name__)

T = TypeVar("T")
KILLED_WITHIN_S = 1.0
PING_TRIES = 3
OPEN_TRIES = 2


class BrowserProcess:
    """A Chromium and its driver, from launch until the last file of theirs is removed.

    One driver each, because a driver that is flooded or stopped takes all its browsers along.
    `contexts` are all open ones, `spares` those of them that nobody has yet. `tasks` counts the
    contexts handed out so far. `memory_mb` and `suspect` (slow to answer) are for the supervisor.
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
    ) -> None:
        self.number = number
        self.state = BrowserState.READY
        self.driver = driver
        self.chromium = psutil.Process(pid)
        self.version = browser.version
        self.tasks = 0
        self.memory_mb = 0
        self.suspect = False
        self.spares: deque[TaskContext] = deque()
        self.contexts: set[TaskContext] = set()
        self.ended: asyncio.Future[Lost] = asyncio.get_running_loop().create_future()
        self._browser = browser
        self._cdp = cdp
        self._folder = folder
        self._limits = limits
        self._given_up: Ending | None = None
        self._driver_given_up = False
        self._opening = 0
        self._changed = asyncio.Event()
        self._exit = ExitWatch(self.chromium)
        driver.on_flood = self._flooded
        driver.exit.ended.add_done_callback(lambda _: self._end(Lost.DRIVER))
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
    ) -> "BrowserProcess":
        """Starts driver and browser, with their temporary files in a folder inside `parent`.

        `one_driver` lets drivers start one after the other (see Driver.start).
        Raises BrowserMissing, PlaywrightError, OSError or TimeoutError, and leaves nothing then.
        """
        folder = parent / f"browser-{number}"
        executable = plan.executable()
        folder.mkdir(parents=True)  # that of this boot may have been removed, with DATA_DIR
        driver = None
        try:
            async with asyncio.timeout(limits.start_s):
                async with one_driver:
                    driver = await Driver.start(folder)
                options = plan.launch_options(executable, boot_id=boot_id)
                browser = await driver.playwright.chromium.launch(**options)
                cdp = await browser.new_browser_cdp_session()
                # The only public way to learn the process id, and an exact one.
                info = await cdp.send("SystemInfo.getProcessInfo")
                pid = next(one["id"] for one in info["processInfo"] if one["type"] == "browser")
                return cls(driver, browser, cdp, pid, folder=folder, number=number, limits=limits)
        except BaseException:
            for left in processes_of(folder):
                kill(left)
            if driver is not None:
                await driver.stop()
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
            raise

    @property
    def in_use(self) -> int:
        """Contexts that tasks have, or are about to get."""
        return len(self.contexts) - len(self.spares) + self._opening

    def move_to(self, state: BrowserState) -> None:
        """Changes the state; asserts that the move is a legal one."""
        assert state in MOVES[self.state], f"{self.state} -> {state}"
        self.state = state
        self.notify()

    def notify(self) -> None:
        """Wakes whoever waits in `changed`."""
        self._changed.set()

    async def changed(self) -> None:
        """Returns when something about this browser has changed since the last call."""
        await self._changed.wait()
        self._changed.clear()

    def take_spare(self) -> TaskContext | None:
        """A spare, if there is a whole one; it is the caller's from now on."""
        self._drop_broken_spares()
        if not self.spares:
            return None
        self.tasks += 1
        spare = self.spares.popleft()
        self.notify()
        return spare

    async def open(self, options: Mapping[str, Any]) -> TaskContext:
        """A fresh context with one page, for a task. `options` as in Playwright's `new_context`.

        Raises ContextOptionsRefused, or PlaywrightError when the browser is going down.
        """
        self._opening += 1
        try:
            opened = await self._open(options)
        finally:
            self._opening -= 1
        self.tasks += 1
        return opened

    async def add_spare(self) -> None:
        """Opens one more spare; raises what `open` does."""
        self._drop_broken_spares()
        self.spares.append(await self._open({}))

    def release(self, context: TaskContext) -> None:
        """Forgets a context that has ended."""
        self.contexts.discard(context)
        self.notify()

    async def _open(self, options: Mapping[str, Any]) -> TaskContext:
        context, page = await self._open_with_page(options)
        opened = TaskContext(self, context, page, self._limits)
        self.contexts.add(opened)
        if self.ended.done():  # while the page opened; nobody would tell it otherwise
            opened.lose(self.ended.result())
        return opened

    async def _open_with_page(self, options: Mapping[str, Any]) -> tuple[BrowserContext, Page]:
        # Tried again, as the first error may be one that lay waiting in the connection (see _ping).
        for attempt in range(1, OPEN_TRIES + 1):
            context = None
            try:
                context = await self._in_time(self._browser.new_context(**options))
                return context, await self._in_time(context.new_page())
            except Exception as cause:
                ping = self.ping()
                if not await done_within(ping, self._limits.ping_s) or not ping.result():
                    raise PlaywrightError("the browser ended while a context was opened") from cause
                if context is not None:
                    closing = asyncio.ensure_future(context.close())
                    closing.add_done_callback(consume)
                if attempt == OPEN_TRIES and isinstance(cause, TimeoutError):
                    raise PlaywrightError("the tab did not open in time") from cause
                if attempt == OPEN_TRIES and tells_of_crash(cause):
                    raise PlaywrightError("the tab crashed while it was opened") from cause
                if attempt == OPEN_TRIES:
                    raise ContextOptionsRefused(f"Playwright refuses: {cause}") from cause
        raise AssertionError("the last attempt returns or raises")

    async def _in_time(self, call: Awaitable[T]) -> T:
        """Playwright's answer. Raises TimeoutError when there is none within `open_s`."""
        answer = asyncio.ensure_future(call)
        answer.add_done_callback(consume)
        if not await done_within(answer, self._limits.open_s):
            raise TimeoutError
        return answer.result()

    def _drop_broken_spares(self) -> None:
        """A spare page may crash too, when memory is short."""
        broken = [spare for spare in self.spares if not spare.usable]
        for spare in broken:
            self.spares.remove(spare)
            spare.close_soon()

    def ping(self) -> asyncio.Future[bool]:
        """Asks driver and browser for a sign of life: True, or False when they are dead.

        It may never come; nobody has to wait for it. Whatever error lay waiting in the connection
        for the next call is gone afterwards.
        """
        return asyncio.ensure_future(self._ping())

    def has_closed(self, context: TaskContext) -> bool:
        """Whether Playwright no longer knows this context, or this browser is gone with it."""
        return self.ended.done() or context.context not in self._browser.contexts

    def give_up(self, ending: Ending) -> None:
        """SIGKILL to Chromium and all its children, for the reason given."""
        self._given_up = self._given_up or ending
        kill_group(self.chromium)

    def give_up_driver(self, ending: Ending) -> None:
        """SIGKILL to the driver, when killing Chromium released nobody; Chromium then goes too."""
        self._given_up = self._given_up or ending
        self._driver_given_up = True
        kill(self.driver.process)

    def give_up_hung(self) -> None:
        """For a browser that no longer answers: ends it, or its driver if that is what hangs."""
        if stopped(self.driver.process):
            self.give_up_driver(Ending.HUNG)
        else:
            self.give_up(Ending.HUNG)

    @property
    def ending(self) -> Ending:
        """Why it ended, or is ending."""
        if self._given_up is not None:
            return self._given_up
        died = self.ended.done() and self.ended.result() is Lost.DRIVER
        return Ending.DRIVER_DIED if died else Ending.BROWSER_DIED

    def retire(self) -> None:
        """From now on no new task; those that it has go on."""
        if self.state is BrowserState.READY:
            self.move_to(BrowserState.RETIRING)
            for spare in self.spares:
                spare.close_soon()
            self.spares.clear()

    async def destroy(self) -> None:
        """Ends both processes, waits until they are gone, removes their files. Always ends.

        By force at once: its tasks are over, and there is nothing in it that is worth saving.
        """
        if self.state is not BrowserState.ENDED:
            self.move_to(BrowserState.ENDED)
        kill_group(self.chromium)
        await self.driver.stop()
        await asyncio.gather(*(context.close() for context in self.contexts))
        await done_within(self._exit.ended, KILLED_WITHIN_S)
        self._exit.close()
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    async def _ping(self) -> bool:
        # The connection keeps an error that it could not place, and the next call raises it: one
        # that fails says nothing yet. A dead driver or browser fails each time.
        for _ in range(PING_TRIES):
            with contextlib.suppress(Exception):
                await self._cdp.send("Browser.getVersion")
                return True
        return False

    def _flooded(self, guid: str) -> None:
        """Pages of a context exceeded their budget of events: its task is over."""
        log.warning("browser.flooded", pid=self.chromium.pid)
        for context in self.contexts:
            if context.guid == guid:
                context.lose(Lost.FLOOD)
                return
        # A context that a function opened on its own: no task can be told from it.
        self.give_up(Ending.FLOODED)

    def _lost_with_browser(self) -> Lost:
        """A browser goes with its driver, and both ends may be seen in the same moment."""
        driver_gone = self._driver_given_up or is_ending(self.driver.process)
        return Lost.DRIVER if driver_gone else Lost.BROWSER

    def _end(self, lost: Lost) -> None:
        """One of the two processes has gone: every context of this browser is lost."""
        if self.ended.done():
            return
        self.ended.set_result(lost)
        if self.state is not BrowserState.ENDED:
            self.move_to(BrowserState.ENDED)
        for context in self.contexts:
            context.lose(lost)
