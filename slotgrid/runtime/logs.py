"""Structured logs: one line an event, JSON or coloured, kept in a ring for `/logs`.

`structlog.get_logger()` is what the code logs with, and it is the one thing of a process that
cannot be passed in; `configure_logs` sets it up, with standard logging behind it, and undoes both.
"""

import logging
import os
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import lru_cache
from traceback import format_exception
from types import MappingProxyType, NoneType
from typing import Any, Protocol

import orjson
import structlog
from structlog.contextvars import get_contextvars
from structlog.dev import ConsoleRenderer, plain_traceback
from structlog.typing import FilteringBoundLogger

from slotgrid.runtime.choices import LogFormat, LogLevel
from slotgrid.runtime.log_sink import LogSink
from slotgrid.runtime.secrets import HIDDEN, Redactor, is_secret_name

RANKS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
URGENT = RANKS["warning"]
"""From here on a line is written at once; others may wait for company, see `LogSink`."""
# A longer line is cut: the ring is counted in lines, so each needs a bound.
MAX_LINE_BYTES = 64 * 1024
MAX_FIELD_CHARS = 2000
DUMP = (
    orjson.OPT_APPEND_NEWLINE
    | orjson.OPT_UTC_Z
    # Objects are shown by their `repr`, which knows what to keep to itself, not field by field.
    | orjson.OPT_PASSTHROUGH_DATACLASS
)
NO_FIELDS: Mapping[str, object] = MappingProxyType({})
_FIELDS: ContextVar[Mapping[str, object]] = ContextVar("log_fields", default=NO_FIELDS)
SCALARS = frozenset({str, int, float, bool, datetime, NoneType})


Processor = Callable[[object, str, MutableMapping[str, Any]], bytes]


class Stream(Protocol):
    """Where lines go: a file, a pipe or a terminal."""

    def fileno(self) -> int:
        """Its descriptor."""

    def isatty(self) -> bool:
        """Whether a person reads it."""


class LogRing:
    """The last lines, newest last."""

    def __init__(self, size: int) -> None:
        self._lines: deque[tuple[int, bytes]] = deque(maxlen=size)

    def append(self, level: str, line: bytes) -> None:
        """Keep a JSON line."""
        self._lines.append((RANKS[level], line))

    def entries(
        self, level: LogLevel = LogLevel.DEBUG, limit: int | None = None
    ) -> list[dict[str, Any]]:
        """The last `limit` lines of this level or above, parsed."""
        lowest = RANKS[level]
        lines = [line for rank, line in self._lines.copy() if rank >= lowest]
        return [orjson.loads(line) for line in (lines if limit is None else lines[-limit:])]


class LogPipeline:
    """What happens to an event: secrets hidden, rendered, kept, written."""

    def __init__(
        self, ring: LogRing, redactor: Redactor, console: ConsoleRenderer | None = None
    ) -> None:
        self._ring = ring
        self._redactor = redactor
        self._console = console

    def render(self, level: str, event: object, fields: Mapping[str, Any]) -> bytes:
        """Keep the event's JSON line in the ring; return the line to write.

        `fields` win over those that are bound, and may have `exc_info` as in standard logging.
        Never raises.
        """
        line = {
            "ts": datetime.now(UTC),  # by the wall clock: a log line says when, not how long
            "level": level,
            "event": event,
            **_FIELDS.get(),
            **get_contextvars(),
            **fields,
        }
        if exc_info := line.pop("exc_info", None):
            line["exception"] = _traceback(exc_info)
        line, rendered = self._without_secrets(line)
        if len(rendered) > MAX_LINE_BYTES:
            line = _cut(line)
            rendered = _dump(line)
        self._ring.append(level, rendered)
        if self._console is None:
            return rendered
        shown = dict(line, ts=f"{line['ts']:%H:%M:%S.%f}"[:-3])
        return (str(self._console(None, level, shown)) + "\n").encode("utf-8", "replace")

    def _without_secrets(self, line: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        for name in _secret_names(tuple(line)):
            line[name] = HIDDEN
        secrets = self._redactor.known
        if SCALARS.issuperset(map(type, line.values())):
            rendered = _dump(line)
            # Searching the rendered line once is several times cheaper than walking its fields.
            if not secrets.occur_in(rendered):
                return line, rendered
        hidden = {
            name: value if name in ("ts", "level") else secrets.hide(value)
            for name, value in line.items()
        }
        return hidden, _dump(hidden)


def bind_fields(**fields: object) -> None:
    """Put these on every line from here on, of this asyncio task and of those it starts.

    What structlog's `bound_contextvars` binds stands on its lines as well; that is one variable
    for each field, all of which are gone through at every line.
    """
    _FIELDS.set({**_FIELDS.get(), **fields})


def clear_fields() -> None:
    """What was bound before is on no line from here on: for an asyncio task with new work."""
    _FIELDS.set(NO_FIELDS)


@lru_cache(maxsize=1024)
def _secret_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """Those that hide what stands under them. Events have few shapes, and many lines each."""
    return tuple(name for name in names if is_secret_name(name))


class StandardLogs(logging.Handler):
    """Takes what libraries log (aiohttp, asyncio) through the same pipeline."""

    def __init__(self, pipeline: LogPipeline, sink: LogSink) -> None:
        super().__init__()
        self._pipeline = pipeline
        self._sink = sink

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        level = next((name for name, rank in RANKS.items() if record.levelno <= rank), "critical")
        try:
            message = record.getMessage()
        except (TypeError, ValueError):  # arguments that do not fit the message
            message = str(record.msg)
        fields = {"logger": record.name, "exc_info": record.exc_info}
        line = self._pipeline.render(level, message, fields)
        (self._sink.write if record.levelno >= URGENT else self._sink.write_soon)(line)


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

    At the end what waits is flushed, for at most a second, and the set-up from before is restored.
    Raises OSError if the stream has no descriptor.
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
    # A duplicate: who closes the stream must not make us write into whatever gets its number.
    sink = LogSink(
        os.dup(stream.fileno()),
        lambda lines: pipeline.render("warning", "logs.lost", {"lines": lines}),
    )
    handler = StandardLogs(pipeline, sink)
    root = logging.getLogger()
    before, root_level = structlog.get_config(), root.level

    def render(_: object, name: str, event: MutableMapping[str, Any]) -> bytes:
        return pipeline.render(name, event.pop("event", ""), event)

    structlog.configure(
        processors=[render],
        wrapper_class=_logger_class(RANKS[level], pipeline, render, sink),
        logger_factory=lambda *_: _SinkLogger(sink),
        # Not cached, for 2 µs a line: a cached logger would outlive this set-up.
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
        sink.close()


def _logger_class(
    rank: int, pipeline: LogPipeline, processor: Processor, sink: LogSink
) -> type[FilteringBoundLogger]:
    """structlog's logger, with the pipeline called as it is, not by way of a row of processors."""
    render, ways = pipeline.render, _ways(sink)
    logger: type[FilteringBoundLogger] = structlog.make_filtering_bound_logger(rank)

    def method(level: str) -> Callable[..., None]:
        way = ways[level]

        def write(self: Any, event: str = "", *args: object, **fields: Any) -> None:
            if args:
                event %= args
            if self._processors[0] is not processor:  # a test captures what is logged
                self._proxy_to_logger(level, event, **fields)
            else:
                way(render(level, event, {**self._context, **fields} if self._context else fields))

        return write

    methods = {level: method(level) for level in RANKS if RANKS[level] >= rank}
    return type("Logger", (logger,), methods)


def _ways(sink: LogSink) -> dict[str, Callable[[bytes], None]]:
    """How the lines of each level are written."""
    return {
        level: sink.write if rank >= URGENT else sink.write_soon for level, rank in RANKS.items()
    }


class _SinkLogger:
    """The end of structlog's chain; its methods are named by level."""

    def __init__(self, sink: LogSink) -> None:
        vars(self).update(_ways(sink))


def _dump(line: Mapping[str, Any]) -> bytes:
    try:
        # A copy, for orjson's own bytes keep the 4 KiB that they were written into, and the ring
        # keeps the line.
        return memoryview(orjson.dumps(line, option=DUMP)).tobytes()
    except TypeError:
        # Lone surrogates, integers past 64 bits: as text, what can be shown of them is shown.
        return orjson.dumps({name: _clean(value) for name, value in line.items()}, option=DUMP)


def _clean(value: object) -> object:
    if isinstance(value, datetime):
        return value
    return str(value).encode("utf-8", "replace").decode()


def _cut(line: Mapping[str, Any]) -> dict[str, Any]:
    cut: dict[str, Any] = {}
    for name, value in line.items():
        text = str(value)
        # The end of a traceback says what happened, the beginning of anything else.
        kept = text[-MAX_FIELD_CHARS:] if name == "exception" else text[:MAX_FIELD_CHARS]
        cut[name] = value if len(text) <= MAX_FIELD_CHARS else kept
    return {**cut, "cut": True}


def _traceback(exc_info: object) -> str:
    if isinstance(exc_info, BaseException):
        error: BaseException | None = exc_info
    elif isinstance(exc_info, tuple):
        error = exc_info[1]
    else:
        error = sys.exc_info()[1]
    return "" if error is None else "".join(format_exception(error)).rstrip()
