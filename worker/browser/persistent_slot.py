"""One slot of a persistent pool: its browser, which is replaced when it ends."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from slotgrid.backoff import Backoff
from worker.browser.browser_context import TaskContext
from worker.browser.browser_states import Ending
from worker.browser.errors import BrowserMissing, BrowserUnavailable, launch_fault
from worker.browser.heartbeat import beats
from worker.browser.kept_browser import KeptBrowser
from worker.browser.profile_lock import ProfileUnusable
from worker.browser.recycling import Recycling
from worker.browser.time_limits import Limits

log = structlog.get_logger(__name__)

RESTART = Backoff(first_s=0.5, ceiling_s=30.0)
LOOK_AGAIN_S = 1.0
"""A profile that is locked or missing is looked at this often: it costs nothing, and it heals."""
DOWN_AFTER = 2
"""Failed starts in a row, of a reason that may pass by itself."""

Setup = Callable[[TaskContext], Awaitable[None]]
"""Prepares a new context. Raises SetupFailed."""


class SetupFailed(Exception):
    """The setup function of the pool failed; the text says how."""


@dataclass(frozen=True, slots=True)
class SlotPlace:
    """Which slot it is: the number within its pool, from 0."""

    pool: str
    number: int


class PersistentSlot:
    """Keeps one browser with its profile for the tasks of a slot.

    `start` opens it, `setup` returns the pool's setup of now, or None. `problem` says why there is
    none, while the slot is down. `on_change` is called when it goes down, or is up again.
    """

    def __init__(
        self,
        place: SlotPlace,
        start: Callable[["PersistentSlot"], Awaitable[KeptBrowser]],
        *,
        setup: Callable[[], Setup | None],
        recycling: Recycling,
        limits: Limits,
        on_change: Callable[["PersistentSlot"], None],
    ) -> None:
        self.place = place
        self.browser: KeptBrowser | None = None
        self.problem: str | None = None
        self.restarts: Counter[Ending] = Counter()
        self._start = start
        self._setup = setup
        self._recycling = recycling
        self._limits = limits
        self._on_change = on_change
        self._failures = 0
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Start, supervise and replace the browser until cancelled; then end it."""
        try:
            while True:
                browser = await self._started()
                ending, reason = await self._watch(browser)
                self.restarts[ending] += 1
                log.info(
                    "persistent.replacing",
                    pool=self.place.pool,
                    slot=self.place.number,
                    reason=reason,
                )
                await self._end()
        finally:
            await self._end()

    async def context(self) -> TaskContext:
        """The context of the slot, for a task, which must `close` it.

        Waits while the browser is replaced. Raises BrowserUnavailable while the slot is down.
        """
        while True:
            if self.problem is not None:
                raise BrowserUnavailable(self.problem)
            browser = self.browser
            if browser is None or not browser.ready:
                await self._changed.wait()
            elif browser.process.is_ending:  # we read of its end a moment later
                await asyncio.wait({browser.process.ended}, timeout=self._limits.ping_s)
            else:
                return browser.lend()

    async def wait_started(self) -> None:
        """Wait until the slot is up or down."""
        while self.browser is None and self.problem is None:
            await self._changed.wait()

    def outdate(self, reason: str) -> None:
        """Replace the browser, as soon as no task has it."""
        if self.browser is not None:
            self.browser.outdate(reason)

    def notify(self) -> None:
        """Wake all waiters for a change. Later waiters get a new event."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def _started(self) -> KeptBrowser:
        """Start the browser and set it up; retry until that succeeds."""
        while True:
            try:
                browser = await self._start(self)
                try:
                    await self._set_up(browser)
                except BaseException:
                    await browser.close()
                    raise
            except Exception as error:  # the edge of the loop: the slot is down meanwhile
                await self._failed(error)
                continue
            self._failures = 0
            self.browser = browser
            if self.problem is not None:
                log.info("persistent.up", pool=self.place.pool, slot=self.place.number)
            self.problem = None
            self._tell()
            return browser

    async def _set_up(self, browser: KeptBrowser) -> None:
        setup = self._setup()
        if setup is None:
            return
        context = browser.lend(setup=True)
        try:
            await setup(context)
        finally:
            await context.close()
        if not browser.ready:
            raise SetupFailed("the browser ended during the setup")

    async def _failed(self, error: Exception) -> None:
        self._failures += 1
        text = error.reason if isinstance(error, BrowserUnavailable) else launch_fault(error)
        lasting = BrowserMissing | BrowserUnavailable | ProfileUnusable | SetupFailed
        passing = not isinstance(error, lasting)
        if not passing or self._failures >= DOWN_AFTER:
            if text != self.problem:  # not for each retry
                log.warning(
                    "persistent.down", pool=self.place.pool, slot=self.place.number, reason=text
                )
            self.problem = text
        self._tell()
        cheap = isinstance(error, ProfileUnusable | BrowserUnavailable)
        await asyncio.sleep(LOOK_AGAIN_S if cheap else RESTART.pause_s(self._failures))

    async def _watch(self, browser: KeptBrowser) -> tuple[Ending, str]:
        """Wait until the browser must be replaced and no task has it; return why."""
        while True:
            changed = asyncio.ensure_future(self._changed.wait())
            try:
                alive = await beats(browser.process, self._limits, sooner=changed)
            finally:
                changed.cancel()
            if not alive:
                return browser.process.ending, browser.process.ending.value
            if browser.outdated is None and (due := self._recycling.due(browser.process)):
                browser.outdate(due.value)
            if browser.outdated is not None and browser.lent is None:
                due = self._recycling.due(browser.process)
                return due or Ending.OUTDATED, browser.outdated

    async def _end(self) -> None:
        browser, self.browser = self.browser, None
        if browser is not None:
            await browser.close()

    def _tell(self) -> None:
        self.notify()
        self._on_change(self)
