"""The browsers of all persistent pools: one for each slot, with a profile of its own."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import structlog
from playwright.async_api import Browser, BrowserContext, BrowserType

from slotgrid.runtime.background import background
from slotgrid.runtime.memory_usage import tree_memory_mb
from worker.browser.browser_context import TaskContext
from worker.browser.browser_states import Ending
from worker.browser.browsers import Browsers
from worker.browser.context_proxy import TrafficGuard
from worker.browser.errors import BrowserUnavailable
from worker.browser.kept_browser import KeptBrowser
from worker.browser.kept_cookies import KeptCookies
from worker.browser.persistent_slot import PersistentSlot, Setup, SlotPlace
from worker.browser.profile_lock import ProfileLock
from worker.browser.recycling import Recycling

log = structlog.get_logger(__name__)

END_S = 0.5
"""Time between two rounds of a slot that failed by a defect of ours."""
TIDY_S = 5.0
"""Time limit for the preparation of a context for its next task."""


@dataclass(frozen=True, slots=True)
class KeptOptions:
    """What a browser of a pool is started with: options and proxy as in Playwright."""

    options: Mapping[str, Any]
    proxy: Mapping[str, str] | None


class PersistentPool(Protocol):
    """A pool as its browsers need it; options and setup are those of the moment."""

    @property
    def name(self) -> str:
        """The pool's name."""

    @property
    def size(self) -> int:
        """The number of its slots."""

    @property
    def folder(self) -> tuple[Path, bool]:
        """The folder of its profiles, and whether to make it if it is missing."""

    def options(self) -> KeptOptions:
        """What its next browser is started with."""

    def setup(self, place: SlotPlace) -> Setup | None:
        """What prepares a new context."""


@dataclass(frozen=True, slots=True)
class KeptStats:
    """One slot: its state, its browser, and why it is down."""

    pool: str
    slot: int
    state: str
    problem: str | None
    profile: str
    pid: int | None
    driver_pid: int | None
    tasks: int
    memory_mb: int
    restarts: Mapping[str, int]


class PersistentBrowsers:
    """The slots of all persistent pools, and their browsers.

    `on_down` is called when a slot goes down, with the reason, and with None when it is up again.
    """

    def __init__(
        self,
        pools: Sequence[PersistentPool],
        browsers: Browsers,
        *,
        guard: TrafficGuard | None,
        on_down: Callable[[SlotPlace, str | None], None],
        max_tasks: int = 500,
        max_memory_mb: int = 1500,
    ) -> None:
        self._shared = browsers
        self._guard = guard
        self._on_down = on_down
        self._limits = replace(browsers.limits, close_s=TIDY_S)
        recycling = Recycling(max_tasks, max_memory_mb, lock=asyncio.Lock())
        self._folders = {pool.name: pool.folder for pool in pools}
        self._slots = {
            (pool.name, number): self._slot(pool, number, recycling)
            for pool in pools
            for number in range(pool.size)
        }

    def _slot(self, pool: PersistentPool, number: int, recycling: Recycling) -> PersistentSlot:
        place = SlotPlace(pool.name, number)
        return PersistentSlot(
            place,
            lambda slot: self._start(pool, slot),
            setup=partial(pool.setup, place),
            recycling=recycling,
            limits=self._limits,
            on_change=lambda slot: self._on_down(place, slot.problem),
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Start all browsers in the background, and keep them until the end."""
        loops = {
            asyncio.create_task(_run(slot), name="persistent browser")
            for slot in self._slots.values()
        }
        try:
            if not loops:
                yield
                return
            async with background(self._measure_memory, name="persistent browser memory"):
                yield
        finally:
            for loop in loops:
                loop.cancel()
            if loops:
                await asyncio.wait(loops)

    async def context(self, pool: str, number: int) -> TaskContext:
        """The kept context of the slot, for a task, which must `close` it.

        Waits while the browser is replaced. Raises BrowserUnavailable while the slot is down.
        """
        slot = self._slots.get((pool, number))
        if slot is None:
            raise BrowserUnavailable(f"the pool {pool} has no persistent slot {number}")
        return await slot.context()

    async def wait_started(self) -> None:
        """Wait until each slot is up or down."""
        for slot in self._slots.values():
            await slot.wait_started()

    def outdate(self, pools: Collection[str], reason: str) -> None:
        """Replace the browsers of these pools, as soon as no task has them."""
        for slot in self._slots.values():
            if slot.place.pool in pools:
                slot.outdate(reason)

    @property
    def contexts_in_use(self) -> int:
        """The contexts that tasks have."""
        return sum(
            len(slot.browser.process.contexts)
            for slot in self._slots.values()
            if slot.browser is not None
        )

    @property
    def restarts(self) -> Counter[Ending]:
        """How often browsers were replaced, by reason."""
        return sum((slot.restarts for slot in self._slots.values()), Counter[Ending]())

    @property
    def count(self) -> int:
        """The number of browsers that run."""
        return sum(slot.browser is not None for slot in self._slots.values())

    def stats(self) -> list[KeptStats]:
        """A snapshot of each slot."""
        return [self._stats_of(slot) for slot in self._slots.values()]

    def _stats_of(self, slot: PersistentSlot) -> KeptStats:
        place, browser = slot.place, slot.browser
        process = None if browser is None else browser.process
        state = "starting" if slot.problem is None else "down"
        if browser is not None:
            state = "busy" if browser.lent is not None else "idle"
        return KeptStats(
            pool=place.pool,
            slot=place.number,
            state=state,
            problem=slot.problem,
            profile=str(self._folders[place.pool][0] / str(place.number)),
            pid=None if process is None else process.chromium.pid,
            driver_pid=None if process is None else process.driver.process.pid,
            tasks=0 if process is None else process.tasks,
            memory_mb=0 if process is None else process.memory_mb,
            restarts={str(why): count for why, count in slot.restarts.items()},
        )

    async def _start(self, pool: PersistentPool, slot: PersistentSlot) -> KeptBrowser:
        """Open the profile of a slot. Raises ProfileUnusable, or the errors of a launch."""
        folder, create = pool.folder
        lock = ProfileLock(folder / str(slot.place.number), create=create)
        await asyncio.to_thread(lock.__enter__)
        try:
            return await self._launched(pool, slot, lock)
        except BaseException:
            lock.release()
            raise

    async def _launched(
        self, pool: PersistentPool, slot: PersistentSlot, lock: ProfileLock
    ) -> KeptBrowser:
        kept, proxy, opened = pool.options(), None, list[BrowserContext]()
        options = dict(kept.options)
        if self._guard is not None:
            proxy = await self._guard.open(kept.proxy, trusted=True)
        elif kept.proxy is not None:
            options["proxy"] = kept.proxy

        async def launch(chromium: BrowserType, arguments: dict[str, Any]) -> Browser:
            context = await chromium.launch_persistent_context(
                lock.folder, **{**arguments, **options}
            )
            opened.append(context)
            assert context.browser is not None
            return context.browser

        process, cookies = None, KeptCookies(lock.folder)
        try:
            process = await self._shared.start(
                launch=launch, proxy=None if proxy is None else proxy.server
            )
            await cookies.restore(opened[0])
        except BaseException:
            if process is not None:
                await process.destroy()
            if proxy is not None:
                proxy.close()
            raise
        return KeptBrowser(
            process,
            opened[0],
            lock=lock,
            proxy=proxy,
            cookies=cookies,
            limits=self._limits,
            on_change=slot.notify,
        )

    async def _measure_memory(self) -> None:
        while True:
            for slot in self._slots.values():
                if slot.browser is not None:
                    process = slot.browser.process
                    # In a thread, since the kernel walks page tables for this.
                    process.memory_mb = await asyncio.to_thread(
                        tree_memory_mb, process.driver.process
                    )
            await asyncio.sleep(self._limits.memory_interval_s)


async def _run(slot: PersistentSlot) -> None:
    """Run the slot forever: log an exception, which is a defect, and restart it."""
    while True:
        try:
            await slot.run()
        except Exception:
            log.exception("persistent.keeper_failed")
        await asyncio.sleep(END_S)
