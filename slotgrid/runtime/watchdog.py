"""Detects a blocked event loop, logs the function that blocks it, and ends a hopeless process.

A thread detects it, as a blocked loop runs no code. The thread counts its own ticks without a beat
of the loop, not clock time: while the whole process is stopped (SIGSTOP, a paused container), the
thread does not tick either, so no function is blamed.
"""

import asyncio
import faulthandler
import os
import sys
import traceback
from collections import deque
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread, get_ident
from types import TracebackType
from typing import Self

import structlog

from slotgrid.runtime.logs import flush_logs
from slotgrid.runtime.stall_record import Stall, StallRecord

log = structlog.get_logger()

MAX_TICK_S = 0.25
TICKS_PER_STALL = 8
# Lag is the maximum of these last beats: at most 15 s, the usual scrape interval.
BEATS_REMEMBERED = 60
# Below the 3 s of silence after which a peer ends the link, so the cause is logged first.
NOTICE_S = 2.0
END_AFTER_STALLS = 3
# EX_SOFTWARE of sysexits.h: an internal error, after which the supervisor restarts the process.
EXIT_STATUS = 70
FUNCTION_TASK = "function:"


def function_task_name(function: str) -> str:
    """The name of a function's asyncio task, from which the watchdog reads the function."""
    return f"{FUNCTION_TASK}{function}"


class LoopWatchdog:
    """Watches the event loop in which it is entered, as an `async with`.

    After `stall_s` without a turn of the loop, or `NOTICE_S` if that is less, it logs the stack.
    After `stall_s` it calls `on_stall` with the function's name, or None, from its own thread.
    After three times `stall_s` it writes the reason into `data_dir` and ends the process with
    status 70; the next start logs the reason.
    `current` returns the running function and is called in the watchdog's thread; by default the
    function is read from the name of the current asyncio task (`function_task_name`).
    """

    def __init__(
        self,
        *,
        stall_s: float,
        data_dir: Path,
        on_stall: Callable[[str | None], None],
        current: Callable[[], str | None] | None = None,
    ) -> None:
        self._stall_s = stall_s
        self._tick_s = min(MAX_TICK_S, stall_s / TICKS_PER_STALL)
        self._on_stall = on_stall
        self._current = current or self._function_of_current_task
        self._record = StallRecord(data_dir)
        self._beats = 0
        self._due = 0.0
        self._lags_s: deque[float] = deque([0.0], maxlen=BEATS_REMEMBERED)
        self._stop = Event()

    async def __aenter__(self) -> Self:
        if (last := self._record.take()) is not None:
            log.error("loop.blocked_until_the_end", **last)
        self._loop = asyncio.get_running_loop()
        self._loop_thread = get_ident()
        self._trace = self._record.open_trace()
        self._beat()
        self._thread = Thread(target=self._watch, name="loop-watchdog", daemon=True)
        self._thread.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        # Short: the thread only ever waits for this event.
        self._thread.join()
        self._next_beat.cancel()
        self._trace.close()

    @property
    def lag_s(self) -> float:
        """Longest delay of the loop's recent turns, including the current turn."""
        return max(*self._lags_s, self._loop.time() - self._due)

    def _beat(self) -> None:
        now = self._loop.time()
        if self._due:
            self._lags_s.append(max(0.0, now - self._due))
        self._beats += 1
        self._due = now + self._tick_s
        self._next_beat = self._loop.call_at(self._due, self._beat)

    def _watch(self) -> None:
        try:
            self._watch_until_stopped()
        finally:
            # Also if this thread fails: otherwise the last resort would end a healthy process.
            faulthandler.cancel_dump_traceback_later()

    def _watch_until_stopped(self) -> None:
        seen, silent_ticks, told, counted = 0, 0, False, False
        self._arm_last_resort()
        while not self._stop.wait(self._tick_s):
            self._arm_last_resort()
            if self._beats != seen:
                if told:
                    log.warning("loop.turns_again", blocked_s=silent_ticks * self._tick_s)
                seen, silent_ticks, told, counted = self._beats, 0, False, False
                continue
            silent_ticks += 1
            blocked_s = silent_ticks * self._tick_s
            stalled = blocked_s >= self._stall_s
            if not told and (stalled or blocked_s >= NOTICE_S):
                told = True
                log.error("loop.blocked", **vars(self._stalled(blocked_s)))
            if not counted and stalled:
                counted = True
                self._count(self._stalled(blocked_s))
            if blocked_s >= END_AFTER_STALLS * self._stall_s:
                self._end(self._stalled(blocked_s))

    def _arm_last_resort(self) -> None:
        # A thread of the interpreter, which needs no lock: it fires even if code holds the GIL,
        # which blocks this thread. As each tick re-arms it, it fires in one other case only: the
        # whole process was stopped for that long, and is better restarted.
        faulthandler.dump_traceback_later(
            (END_AFTER_STALLS + 1) * self._stall_s, exit=True, file=self._trace
        )

    def _stalled(self, blocked_s: float) -> Stall:
        task = asyncio.current_task(self._loop)
        frame = sys._current_frames().get(self._loop_thread)
        return Stall(
            function=self._current(),
            asyncio_task=None if task is None else task.get_name(),
            blocked_s=round(blocked_s, 3),
            stack="".join(traceback.format_stack(frame)).rstrip(),
        )

    def _function_of_current_task(self) -> str | None:
        task = asyncio.current_task(self._loop)
        name = "" if task is None else task.get_name()
        return name.removeprefix(FUNCTION_TASK) if name.startswith(FUNCTION_TASK) else None

    def _count(self, stall: Stall) -> None:
        try:
            self._on_stall(stall.function)
        except Exception:  # a failing callback must not end the watch
            log.exception("loop.stall_not_counted")

    def _end(self, stall: Stall) -> None:
        log.critical("loop.blocked_for_good", exit_status=EXIT_STATUS, **vars(stall))
        try:
            self._record.save(stall)
        except OSError as error:
            log.error("loop.reason_not_saved", exc_info=error)  # noqa: TRY400  the process ends here
        flush_logs()
        # Not `sys.exit`, which ends only this thread, not the blocked one.
        os._exit(EXIT_STATUS)
