"""Structured logs: one line for each event, JSON or coloured, kept in a ring for `/logs`.

The code logs with `structlog.get_logger()`, the only object of a process that is not passed in.
Its lines, and those of libraries that use standard logging, are made where they are logged, and
queued for a thread that writes them.
"""

import logging
import os
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Protocol

import orjson
import structlog
from structlog.contextvars import merge_contextvars
from structlog.dev import ConsoleRenderer, plain_traceback
from structlog.processors import format_exc_info
from structlog.stdlib import ProcessorFormatter, add_logger_name
from structlog.typing import EventDict

from slotgrid.runtime.log_lines import rendered
from slotgrid.runtime.log_queue import LineLogger, LineQueue, LineWriter
from slotgrid.runtime.secrets import Redactor
from slotgrid.runtime.setting_choices import LogFormat, LogLevel
from slotgrid.runtime.task_output import divert_event, keep_record

RANKS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}


class Stream(Protocol):
    """The destination of log lines: a file, a pipe or a terminal."""

    def fileno(self) -> int:
        """Its descriptor."""

    def isatty(self) -> bool:
        """Whether it is a terminal."""


class LogRing:
    """The last lines, newest last."""

    def __init__(self, size: int) -> None:
        self._lines: deque[tuple[int, str]] = deque(maxlen=size)

    def append(self, level: str, line: str) -> None:
        """Keep a JSON line."""
        self._lines.append((RANKS[level], line))

    def entries(
        self, level: LogLevel = LogLevel.DEBUG, limit: int | None = None
    ) -> list[dict[str, Any]]:
        """The last `limit` lines of this level or above, parsed."""
        lowest = RANKS[level]
        lines = [line for rank, line in self._lines.copy() if rank >= lowest]
        return [orjson.loads(line) for line in (lines if limit is None else lines[-limit:])]


class LineRenderer:
    """The last processor: hides secrets, keeps the JSON line in the ring, and returns the line."""

    def __init__(self, ring: LogRing, redactor: Redactor, console: ConsoleRenderer | None) -> None:
        self._ring = ring
        self._redactor = redactor
        self._console = console

    def __call__(self, logger: object, level: str, event: EventDict) -> str:
        """The line of an event, with the values and the secrets of now."""
        if level not in RANKS:  # a level that a library has added
            level = "info"
        # The wall clock: a log line needs a date, not a duration.
        line = {"ts": datetime.now(UTC), "level": level, "event": "", **event}
        line, encoded = rendered(line, self._redactor.known)
        text = encoded.decode()
        self._ring.append(level, text)
        if self._console is None:
            return text
        return str(self._console(logger, level, line | {"ts": f"{line['ts']:%H:%M:%S.%f}"[:-3]}))


class _Formatter(ProcessorFormatter):
    def format(self, record: logging.LogRecord) -> str:
        try:
            return super().format(record)
        except (TypeError, ValueError):  # arguments of a library's record do not fit its message
            record.args = ()
            return super().format(record)


@contextmanager
def configure_logs(
    *,
    level: LogLevel,
    log_format: LogFormat,
    ring_size: int,
    stream: Stream,
    redactor: Redactor,
) -> Iterator[LogRing]:
    """Send every log line of this process to `stream` and to the ring that is yielded.

    At the end waiting lines are flushed, for at most a second, and the previous configuration is
    restored. Raises OSError if the stream has no descriptor.
    """
    ring = LogRing(ring_size)
    tty = stream.isatty()
    in_console = log_format is LogFormat.CONSOLE or (log_format is LogFormat.AUTO and tty)
    console = (
        ConsoleRenderer(colors=tty, timestamp_key="ts", exception_formatter=plain_traceback)
        if in_console
        else None
    )
    renderer = LineRenderer(ring, redactor, console)
    handler = LineQueue()
    line_logger = LineLogger(handler)
    handler.setFormatter(
        _Formatter(
            foreign_pre_chain=[merge_contextvars, add_logger_name],
            processors=[ProcessorFormatter.remove_processors_meta, format_exc_info, renderer],
        )
    )
    # A duplicate: once the stream is closed, another file may get its descriptor number.
    writer = LineWriter(handler, os.dup(stream.fileno()))
    root = logging.getLogger()
    before, root_level = structlog.get_config(), root.level
    structlog.configure(
        # Not through standard logging: its records would double the cost of a line.
        processors=[divert_event, merge_contextvars, format_exc_info, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(RANKS[level]),
        logger_factory=lambda *_: line_logger,
        # Not cached: a cached logger would outlive this configuration.
        cache_logger_on_first_use=False,
    )
    handler.addFilter(keep_record)
    root.addHandler(handler)
    root.setLevel(RANKS[level])
    writer.start()
    try:
        yield ring
    finally:
        root.removeHandler(handler)
        root.setLevel(root_level)
        structlog.configure(**before)
        writer.stop()
        handler.close()


def flush_logs() -> None:
    """Wait until the lines logged so far are written, for at most a second."""
    for handler in logging.getLogger().handlers:
        handler.flush()
