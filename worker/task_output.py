"""What a coroutine function prints or logs: lines of its task's log, without its secrets."""

import asyncio
import threading
import weakref
from contextlib import suppress
from typing import Any, Protocol

import structlog

from slotgrid.core.event_log import encode_json, well_formed
from slotgrid.core.task import LOG_LINES_LIMIT, Task
from slotgrid.runtime.task_output import StreamName
from worker.attempt_secrets import AttemptSecrets
from worker.line_buffer import LineBuffer
from worker.registry.runnable import Runnable

FLUSH_S = 0.1
"""Seconds in which lines of other threads gather: a thread that prints without end would otherwise
keep the event loop busy."""
LATE_LINES = 100
"""Lines after the end of a task that the node's log takes; the rest is dropped."""

log = structlog.get_logger()


class PrintingAttempt(Protocol):
    """What the output needs of an attempt."""

    @property
    def task(self) -> Task:
        """The task, which has the log."""

    @property
    def runnable(self) -> Runnable:
        """The task's function."""

    @property
    def secrets(self) -> AttemptSecrets:
        """What no line may show."""

    @property
    def closed(self) -> bool:
        """Whether the attempt takes no more output."""

    @property
    def ended(self) -> "asyncio.Future[Any] | None":
        """A future of the event loop that runs the attempt."""

    @property
    def output(self) -> "AttemptOutput":
        """The attempt's one output."""


class AttemptOutput:
    """The printed lines of one attempt that wait for the event loop; any thread may add some."""

    def __init__(self, attempt: PrintingAttempt) -> None:
        assert attempt.ended is not None
        self._loop = attempt.ended.get_loop()
        self._attempt = weakref.ref(attempt)
        self._lock = threading.Lock()
        self._waiting: list[tuple[str, StreamName, str]] = []
        self._dropped = 0
        self._scheduled = False

    def add(self, lines: list[str], stream: StreamName, step: str) -> None:
        """Add lines of a step; those of other threads are written within FLUSH_S."""
        here = _is_running(self._loop)
        with self._lock:
            self._waiting += [(line, stream, step) for line in lines]
            if (surplus := len(self._waiting) - LOG_LINES_LIMIT) > 0:
                del self._waiting[:surplus]
                self._dropped += surplus
            schedule = not here and not self._scheduled
            self._scheduled |= schedule
        if here:
            self.flush()
        elif schedule:
            with suppress(RuntimeError):  # the node has ended
                self._loop.call_soon_threadsafe(self._loop.call_later, FLUSH_S, self._flush_later)

    def flush(self) -> None:
        """Write the waiting lines to the task's log. Runs in the event loop's thread."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
            dropped, self._dropped = self._dropped, 0
        attempt = self._attempt()
        if attempt is None or not waiting:
            return
        if dropped:
            waiting.insert(0, (f"… ({dropped} lines left out)", waiting[0][1], waiting[0][2]))
        for line, stream, step in waiting:
            _write(attempt, line, stream, step)

    def _flush_later(self) -> None:
        self._scheduled = False
        self.flush()


class StepOutput:
    """Fulfils `slotgrid.runtime.task_output.Output` for one step of an attempt.

    Its attempt is not kept alive: a browser that starts while a function runs inherits the output.
    """

    __slots__ = ("_attempt", "_function", "_late", "_lock", "_step", "_streams")

    def __init__(self, attempt: PrintingAttempt, step: str) -> None:
        self._attempt = weakref.ref(attempt)
        self._function = attempt.runnable.spec.name
        self._step = step
        self._lock = threading.Lock()
        self._streams: dict[StreamName, LineBuffer] = {}
        self._late = 0

    @property
    def is_open(self) -> bool:
        """Whether the task still takes lines."""
        attempt = self._attempt()
        return attempt is not None and not attempt.closed

    def write(self, text: str, stream: StreamName) -> None:
        """Add text; each complete line goes to the log."""
        with self._lock:
            lines = self._streams.setdefault(stream, LineBuffer()).feed(text)
        self._add(lines, stream)

    def end(self) -> None:
        """Write the incomplete last lines, at the end of the step."""
        for stream, buffer in self._streams.items():
            with self._lock:
                lines = buffer.end()
            self._add(lines, stream)

    def _add(self, lines: list[str], stream: StreamName) -> None:
        if not lines:
            return
        attempt = self._attempt()
        if attempt is not None and not attempt.closed:
            attempt.output.add(lines, stream, self._step)
            return
        # Code that goes on after its task: not all of its lines.
        for line in lines[: LATE_LINES - self._late]:
            log.info("function.late_output", function=self._function, stream=stream, line=line)
        self._late = min(LATE_LINES, self._late + len(lines))


def _is_running(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether this thread runs the loop."""
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False


def _write(attempt: PrintingAttempt, line: str, stream: StreamName, step: str) -> None:
    # After the cut, as hiding takes time for each character, and finds what a cut leaves.
    line = well_formed(attempt.secrets.hide_text(line))
    task = attempt.task
    task.log(line, stream=stream, step=step)
    # `print` cannot wait for a slow reader: meanwhile the line is only in the log.
    if not task.announced and not task.events.crowded:
        payload = {"text": line, "data": {"stream": stream}}
        task.events.append_json("log", encode_json(payload))
