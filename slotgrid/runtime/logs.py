"""Structured logs: one line for each event, JSON or coloured, kept in a ring for `/logs`.

The code logs with `structlog.get_logger()`, the only object of a process that is not passed in.
`configure_logs` configures it and standard logging, and restores both.
"""

import logging
import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import partial
from types import MappingProxyType
from typing import Any, Protocol

import orjson
import structlog
from structlog.contextvars import get_contextvars
from structlog.dev import ConsoleRenderer, plain_traceback
from structlog.typing import FilteringBoundLogger

from slotgrid.runtime.choices import LogFormat, LogLevel
from slotgrid.runtime.log_gathering import Line, LogGathering
from slotgrid.runtime.log_lines import (
    MAX_LINE_BYTES,
    SCALARS,
    dump,
    shortened,
    traceback_of,
    without_secrets,
)
from slotgrid.runtime.log_sink import LogSink
from slotgrid.runtime.secrets import Redactor, SecretValues

RANKS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
URGENT = RANKS["warning"]
"""Lines of this rank or above are written at once; others may be batched, see `LogGathering`."""
NO_FIELDS: Mapping[str, object] = MappingProxyType({})
_FIELDS: ContextVar[Mapping[str, object]] = ContextVar("log_fields", default=NO_FIELDS)


Processor = Callable[[object, str, MutableMapping[str, Any]], bytes]


class Stream(Protocol):
    """The destination of log lines: a file, a pipe or a terminal."""

    def fileno(self) -> int:
        """Its descriptor."""

    def isatty(self) -> bool:
        """Whether it is a terminal."""


class LogRing:
    """The last lines, newest last."""

    def __init__(self, size: int) -> None:
        self._lines: deque[tuple[int, bytes]] = deque(maxlen=size)
        self.before_reading: Callable[[], None] = lambda: None
        """Flushes the lines that still wait into the ring."""

    def append(self, level: str, line: bytes) -> None:
        """Keep a JSON line."""
        self._lines.append((RANKS[level], line))

    def entries(
        self, level: LogLevel = LogLevel.DEBUG, limit: int | None = None
    ) -> list[dict[str, Any]]:
        """The last `limit` lines of this level or above, parsed."""
        self.before_reading()
        lowest = RANKS[level]
        lines = [line for rank, line in self._lines.copy() if rank >= lowest]
        return [orjson.loads(line) for line in (lines if limit is None else lines[-limit:])]


class LogPipeline:
    """Turns an event into a line: hides secrets, renders it, and keeps it in the ring."""

    def __init__(
        self, ring: LogRing, redactor: Redactor, console: ConsoleRenderer | None = None
    ) -> None:
        self._ring = ring
        self._redactor = redactor
        self._console = console

    def line(self, level: str, event: object, fields: Mapping[str, Any]) -> Line:
        """A function that renders the event's line with the values of now, and adds it to the ring.

        `fields` win over bound fields, and may have `exc_info` as in standard logging.
        Never raises.
        """
        line = {
            "ts": datetime.now(UTC),  # wall clock: a log line needs a date, not a duration
            "level": level,
            "event": event,
            **_FIELDS.get(),
            **get_contextvars(),
            **fields,
        }
        return partial(self._made, level, line, self._redactor.known)

    def _made(self, level: str, line: dict[str, Any], secrets: SecretValues) -> bytes:
        if exc_info := line.pop("exc_info", None):
            line["exception"] = traceback_of(exc_info)
        line, rendered = without_secrets(line, secrets)
        if len(rendered) > MAX_LINE_BYTES:
            line = shortened(line)
            rendered = dump(line)
        self._ring.append(level, rendered)
        if self._console is None:
            return rendered
        shown = dict(line, ts=f"{line['ts']:%H:%M:%S.%f}"[:-3])
        return (str(self._console(None, level, shown)) + "\n").encode("utf-8", "replace")


def bind_fields(**fields: object) -> None:
    """Add these fields to all later lines of this asyncio task, and of the tasks that it starts.

    Lines also have the fields of structlog's `bound_contextvars`. These cost more: each field is a
    context variable, and every line reads all of them.
    """
    _FIELDS.set({**_FIELDS.get(), **fields})


class StandardLogs(logging.Handler):
    """Sends the log records of libraries (aiohttp, asyncio) through the same pipeline."""

    def __init__(self, pipeline: LogPipeline, gathering: LogGathering) -> None:
        super().__init__()
        self._pipeline = pipeline
        self._gathering = gathering

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        level = next((name for name, rank in RANKS.items() if record.levelno <= rank), "critical")
        try:
            message = record.getMessage()
        except (TypeError, ValueError):  # arguments that do not fit the message
            message = str(record.msg)
        fields = {"logger": record.name, "exc_info": record.exc_info}
        line = self._pipeline.line(level, message, fields)
        waits = record.levelno < URGENT and not record.exc_info
        (self._gathering.soon if waits else self._gathering.now)(line)


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
    pipeline = LogPipeline(ring, redactor, console)
    # A duplicate: once the stream is closed, another file may get its descriptor number.
    sink = LogSink(
        os.dup(stream.fileno()),
        lambda lines: pipeline.line("warning", "logs.lost", {"lines": lines})(),
    )
    gathering = LogGathering(sink)
    ring.before_reading = gathering.flush
    handler = StandardLogs(pipeline, gathering)
    root = logging.getLogger()
    before, root_level = structlog.get_config(), root.level

    def render(_: object, name: str, event: MutableMapping[str, Any]) -> bytes:
        gathering.flush()
        return pipeline.line(name, event.pop("event", ""), event)()

    structlog.configure(
        processors=[render],
        wrapper_class=_logger_class(RANKS[level], pipeline, render, gathering),
        logger_factory=lambda *_: _SinkLogger(sink),
        # Not cached, at 2 µs a line: a cached logger would outlive this configuration.
        cache_logger_on_first_use=False,
    )
    root.addHandler(handler)
    root.setLevel(RANKS[level])
    try:
        yield ring
    finally:
        root.removeHandler(handler)
        root.setLevel(root_level)
        structlog.configure(**before)
        gathering.flush()
        sink.close()


def _logger_class(
    rank: int, pipeline: LogPipeline, processor: Processor, gathering: LogGathering
) -> type[FilteringBoundLogger]:
    """structlog's logger, which calls the pipeline directly, without a chain of processors."""
    line_of, now, soon = pipeline.line, gathering.now, gathering.soon
    logger: type[FilteringBoundLogger] = structlog.make_filtering_bound_logger(rank)

    def method(level: str) -> Callable[..., None]:
        urgent = RANKS[level] >= URGENT

        def write(self: Any, event: str = "", *args: object, **fields: Any) -> None:
            if args:
                event %= args
            if self._processors[0] is not processor:  # a test captures the events
                self._proxy_to_logger(level, event, **fields)
                return
            if self._context:
                fields = {**self._context, **fields}
            line = line_of(level, event, fields)
            # A line with values that could change before it is rendered is written at once.
            if urgent or "exc_info" in fields or not SCALARS.issuperset(map(type, fields.values())):
                now(line)
            else:
                soon(line)

        return write

    methods = {level: method(level) for level in RANKS if RANKS[level] >= rank}
    return type("Logger", (logger,), methods)


class _SinkLogger:
    """The end of structlog's chain; its methods are named by level."""

    def __init__(self, sink: LogSink) -> None:
        vars(self).update(dict.fromkeys(RANKS, sink.write))
