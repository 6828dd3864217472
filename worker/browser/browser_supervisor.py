"""Supervises one browser of the set: starts, watches, recycles and restarts it."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import nullcontext
from typing import Any

import structlog

from slotgrid.backoff import Backoff
from worker.browser.browser_process import BrowserProcess
from worker.browser.browser_states import PLANNED, Ending
from worker.browser.errors import BrowserMissing
from worker.browser.heartbeat import beats
from worker.browser.recycling import Recycling
from worker.browser.spares import keep_spares
from worker.browser.time_limits import Limits

log = structlog.get_logger(__name__)

RESTART = Backoff(first_s=0.5, ceiling_s=30.0)
HOPELESS_AFTER = 2


class BrowserSupervisor:
    """Keeps one browser that takes tasks, and restarts it when needed.

    `process` is that browser; `processes` also has the retired browsers, which finish their tasks.
    `problem` says why the last start failed. `on_change` is called when any of these changes.
    """

    def __init__(
        self,
        start: Callable[[], Awaitable[BrowserProcess]],
        *,
        share: int,
        recycling: Recycling,
        limits: Limits,
        on_change: Callable[[], None],
    ) -> None:
        self.process: BrowserProcess | None = None
        self.processes: set[BrowserProcess] = set()
        self.restarts: Counter[Ending] = Counter()
        self.problem: str | None = None
        self.hopeless = False
        self._start = start
        self._share = share
        self._recycling = recycling
        self._limits = limits
        self._on_change = on_change
        self._failures = 0
        self._background: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Start, supervise and replace the browser until cancelled."""
        process = await self._started()
        while True:
            self._spawn(keep_spares(process, self._share))
            ending = await self._watch(process)
            self.restarts[ending] += 1
            planned = ending in PLANNED
            tell = log.info if planned else log.warning
            tell("browser.replacing", pid=process.chromium.pid, reason=ending)
            if not planned:
                self._spawn(self._destroy(process))
            async with self._recycling.lock if planned else nullcontext():
                fresh = await self._started()
            # Only now: the old browser takes tasks until its replacement is ready.
            if planned:
                self._spawn(self._retire(process))
            process = fresh

    async def end(self) -> None:
        """End every browser of this supervisor; call it after `run` has ended."""
        for task in self._background:
            task.cancel()
        if self._background:
            await asyncio.wait(self._background)
        await asyncio.gather(*(process.destroy() for process in self.processes))
        self.processes.clear()
        self.process = None

    async def _started(self) -> BrowserProcess:
        """Start a browser; retry with backoff until a start succeeds."""
        while True:
            try:
                process = await self._start()
            except Exception as error:
                self._failures += 1
                before = self.problem
                self.problem = f"{type(error).__name__}: {error}" if str(error) else repr(error)
                self.hopeless = (
                    isinstance(error, BrowserMissing) or self._failures >= HOPELESS_AFTER
                )
                pause_s = RESTART.pause_s(self._failures)
                if self.problem != before:  # not for each retry
                    log.warning("browser.start_failed", error=self.problem, retry_in_s=pause_s)
                self._on_change()
                await asyncio.sleep(pause_s)
                continue
            self._failures = 0
            self.problem, self.hopeless = None, False
            self.process = process
            self.processes.add(process)
            log.info("browser.started", pid=process.chromium.pid, version=process.version)
            self._on_change()
            return process

    async def _watch(self, process: BrowserProcess) -> Ending:
        """Wait until `process` must be replaced, and return why. A hung process has been killed."""
        while await beats(process, self._limits):
            if ending := self._recycling.due(process):
                return ending
        return process.ending

    async def _retire(self, process: BrowserProcess) -> None:
        """Let the tasks of `process` finish, then end it."""
        process.retire()
        while process.in_use and await beats(process, self._limits):
            pass
        await self._destroy(process)

    async def _destroy(self, process: BrowserProcess) -> None:
        await process.destroy()
        self.processes.discard(process)
        self._on_change()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="browser housekeeping")
        self._background.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._background.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("browser.housekeeping_failed", exc_info=error)
