"""The worker's set of browsers: N supervised processes that give contexts to tasks."""

import asyncio
import contextlib
import itertools
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import structlog
from playwright.async_api import Error as PlaywrightError

from slotgrid.runtime.background import background
from slotgrid.runtime.memory_usage import tree_memory_mb
from worker.browser.bounded_wait import consume
from worker.browser.browser_context import TaskContext
from worker.browser.browser_process import BrowserProcess, Launch, launched
from worker.browser.browser_states import BrowserState, Ending
from worker.browser.browser_supervisor import BrowserSupervisor
from worker.browser.context_proxy import ContextProxy, TrafficGuard
from worker.browser.driver import silence_driver_deaths
from worker.browser.errors import BrowserUnavailable
from worker.browser.launch import LaunchPlan
from worker.browser.recycling import Recycling
from worker.browser.stats import BrowsersStats, BrowserStats
from worker.browser.sweep import boot_folder, sweep
from worker.browser.time_limits import Limits

log = structlog.get_logger(__name__)

RESTART_PAUSE_S = 1.0


class Browsers:
    """The worker's set of Chromium processes: `count` of them, each with a driver of its own.

    `slots` is the number of tasks that run at once, over all browsers. In `temp_dir` this boot
    makes its own folder and sweeps the folders of dead workers. A browser is recycled after
    `max_tasks` contexts, or when its processes use more than `max_memory_mb`. `guard` gives each
    context a proxy of its own, and the browser one for the contexts that a function opens itself.
    """

    def __init__(
        self,
        plan: LaunchPlan,
        *,
        count: int,
        slots: int,
        temp_dir: Path,
        max_tasks: int = 500,
        max_memory_mb: int = 1500,
        boot_id: str | None = None,
        limits: Limits | None = None,
        guard: TrafficGuard | None = None,
    ) -> None:
        if not min(1, slots) <= count <= slots:
            raise ValueError(f"{count} browsers for {slots} slots: need 1 to {slots}")
        self.boot_id = boot_id or uuid.uuid4().hex[:12]
        self._plan = plan
        self._guard = guard
        self._temp_dir = temp_dir
        self._folder: Path | None = None
        self.limits = limits or Limits()
        self._numbers = itertools.count(1)
        self._one_driver = asyncio.Lock()
        self._changed = asyncio.Event()
        recycling = Recycling(max_tasks, max_memory_mb, lock=asyncio.Lock())
        self._supervisors = [
            BrowserSupervisor(
                self._start_shared,
                share=slots // count + (number < slots % count),
                recycling=recycling,
                limits=self.limits,
                on_change=self._notify,
            )
            for number in range(count)
        ]

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Browsers"]:
        """Start all browsers at once in the background, and keep them running until the end.

        A failed start does not raise: it is retried, and `stats().problem` gives the reason. At
        the end, every process has ended and this boot's folder is removed, also after an error.
        """
        silence_driver_deaths(asyncio.get_running_loop())
        swept = await asyncio.to_thread(sweep, self._temp_dir)
        if swept.folders:
            log.warning("browser.swept", processes=swept.processes, folders=swept.folders)
        with boot_folder(self._temp_dir, self.boot_id) as folder:
            self._folder = folder
            loops = {
                asyncio.create_task(_run_supervisor(supervisor), name="browser")
                for supervisor in self._supervisors
            }
            try:
                async with background(self._measure_memory, name="browser memory"):
                    yield self
            finally:
                self._folder = None
                self._notify()
                for loop in loops:
                    loop.cancel()
                if loops:
                    await asyncio.wait(loops)
                await asyncio.gather(*(supervisor.end() for supervisor in self._supervisors))

    async def context(
        self,
        options: Mapping[str, Any] | None = None,
        *,
        proxy: Mapping[str, str] | None = None,
    ) -> TaskContext:
        """A clean context for one task, which must `close` it.

        A spare if `options` (of Playwright's `new_context`) is empty and a spare exists, else a
        new context. `proxy` is the operator's, for contexts without one in their options.
        Waits without a limit while a browser may still start; the caller sets the deadline.
        Raises BrowserUnavailable when no browser can start, or ContextOptionsRefused.
        """
        while True:
            process = self._pick()
            if process is None:
                self._check_hope()
                await self._changed.wait()
                continue
            if not options and proxy is None and (spare := process.take_spare()):
                return spare
            try:
                return await _opened(process, options or {}, proxy)
            except PlaywrightError as error:
                # The browser died during the call; its supervisor detects that in a moment.
                log.info("browser.open_failed", pid=process.chromium.pid, error=str(error))
                await asyncio.wait({process.ended}, timeout=self.limits.ping_s)

    async def proxy(
        self, upstream: Mapping[str, str] | None = None, *, trusted: bool = False
    ) -> ContextProxy | None:
        """A proxy of the guard for requests outside of a browser; None without a guard.

        `upstream` is one that they go through, as in Playwright's `new_context`; `trusted` if it
        is the operator's. The caller closes the proxy. Raises ContextOptionsRefused or OSError.
        """
        return None if self._guard is None else await self._guard.open(upstream, trusted=trusted)

    async def wait_started(self) -> None:
        """Wait until each browser has started or failed to start."""
        while any(
            supervisor.process is None and supervisor.problem is None
            for supervisor in self._supervisors
        ):
            await self._changed.wait()

    def spares(self) -> list[TaskContext]:
        """The spare contexts of all browsers."""
        return [spare for p in self._supervisors if p.process for spare in p.process.spares]

    def stats(self) -> BrowsersStats:
        """A snapshot of the state; cheap, as it queries no process."""
        browsers = tuple(
            BrowserStats(
                place=number,
                state=process.state,
                pid=process.chromium.pid,
                driver_pid=process.driver.process.pid,
                tasks=process.tasks,
                memory_mb=process.memory_mb,
                contexts_in_use=process.in_use,
                spares=len(process.spares),
            )
            for number, supervisor in enumerate(self._supervisors, start=1)
            for process in sorted(supervisor.processes, key=lambda process: process.number)
        )
        problems = [supervisor.problem for supervisor in self._supervisors if supervisor.problem]
        return BrowsersStats(
            browsers=browsers,
            contexts_in_use=sum(browser.contexts_in_use for browser in browsers),
            spares=sum(browser.spares for browser in browsers),
            restarts=sum(
                (supervisor.restarts for supervisor in self._supervisors), Counter[Ending]()
            ),
            version=next((p.process.version for p in self._supervisors if p.process), None),
            problem=problems[0] if problems else None,
        )

    def _pick(self) -> BrowserProcess | None:
        """The browser for the next task: responsive, then with a spare, then the fewest tasks."""
        ready = [
            supervisor.process
            for supervisor in self._supervisors
            if supervisor.process is not None and supervisor.process.state is BrowserState.READY
        ]
        return min(
            ready,
            key=lambda process: (process.suspect, not process.spares, process.in_use),
            default=None,
        )

    def _check_hope(self) -> None:
        if self._folder is None:
            raise BrowserUnavailable("the browsers are not running")
        if not self._supervisors:
            raise BrowserUnavailable("every slot has a browser of its own")
        if all(supervisor.hopeless for supervisor in self._supervisors):
            raise BrowserUnavailable(str(self._supervisors[0].problem))

    def _notify(self) -> None:
        """Wake all waiters for a change. Later waiters get a new event."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def start(self, *, proxy: str | None, launch: Launch = launched) -> BrowserProcess:
        """Start one more browser, which the caller supervises and ends. Errors as in the class.

        `proxy` gets all of its traffic that belongs to no context of ours.
        """
        if self._folder is None:
            raise BrowserUnavailable("the browsers are not running")
        return await BrowserProcess.start(
            self._plan if proxy is None else replace(self._plan, proxy=proxy),
            self._folder,
            number=next(self._numbers),
            boot_id=self.boot_id,
            limits=self.limits,
            one_driver=self._one_driver,
            guard=self._guard,
            launch=launch,
        )

    async def _start_shared(self) -> BrowserProcess:
        return await self.start(proxy=None if self._guard is None else self._guard.server)

    async def _measure_memory(self) -> None:
        while True:
            for supervisor in self._supervisors:
                for process in list(supervisor.processes):
                    # In a thread, since the kernel walks page tables for this.
                    process.memory_mb = await asyncio.to_thread(
                        tree_memory_mb, process.driver.process
                    )
            await asyncio.sleep(self.limits.memory_interval_s)


async def _opened(
    process: BrowserProcess, options: Mapping[str, Any], proxy: Mapping[str, str] | None
) -> TaskContext:
    """A new context. If the caller is cancelled meanwhile, the context still opens, then closes.

    Cancelling the call to Playwright could leave an open context to which we have no reference.
    """
    opening = asyncio.ensure_future(process.open(options, proxy=proxy))
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_close_unwanted)
        raise


def _close_unwanted(opening: asyncio.Future[TaskContext]) -> None:
    consume(opening)
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close_soon()


async def _run_supervisor(supervisor: BrowserSupervisor) -> None:
    """Run `supervisor.run` forever: log an exception, which is a defect, and restart it."""
    while True:
        try:
            await supervisor.run()
        except Exception:
            log.exception("browser.keeper_failed")
        await asyncio.sleep(RESTART_PAUSE_S)
