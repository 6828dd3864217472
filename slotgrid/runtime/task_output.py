"""What code prints or logs while it runs for a task goes to that task, not to the node.

`OUTPUT` says for whom the code runs: asyncio tasks and `asyncio.to_thread` inherit it. The node's
own lines stay the node's, also those that it logs while it serves a function.
"""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import FrameType
from typing import Any, Literal, Protocol, TextIO, cast

import structlog
from structlog.processors import format_exc_info
from structlog.typing import EventDict

StreamName = Literal["stdout", "stderr"]


class Output(Protocol):
    """The log of a task. Any thread may write."""

    @property
    def is_open(self) -> bool:
        """Whether the task still takes output."""

    def write(self, text: str, stream: StreamName) -> None:
        """Add text, of which the last line may be incomplete."""


OUTPUT: ContextVar[Output | None] = ContextVar("slotgrid_output", default=None)
"""Where output of the running code goes; None means to the node."""

_OURS = frozenset({"slotgrid", "worker", "balancer"})
_OF_NODE = _OURS | {"asyncio", "playwright"}
_RECORDS = logging.Formatter("%(levelname)s %(name)s: %(message)s")


@contextmanager
def captured_output() -> Iterator[None]:
    """Redirect `sys.stdout` and `sys.stderr` to `OUTPUT` while the block runs."""
    before = sys.stdout, sys.stderr
    ours = TaskStream(before[0], "stdout"), TaskStream(before[1], "stderr")
    sys.stdout, sys.stderr = cast("tuple[TextIO, TextIO]", ours)
    try:
        yield
    finally:
        # Only if nothing else has replaced them meanwhile, such as another worker of a test.
        if sys.stdout is cast("TextIO", ours[0]):
            sys.stdout = before[0]
        if sys.stderr is cast("TextIO", ours[1]):
            sys.stderr = before[1]


class TaskStream:
    """Stands for `sys.stdout` or `sys.stderr`; outside of tasks it is the real stream."""

    def __init__(self, real: TextIO, name: StreamName) -> None:
        self._real = real
        self._name = name

    def write(self, text: str) -> int:
        """Write to the task, or to the real stream."""
        output = OUTPUT.get()
        if output is None:
            return self._real.write(text)
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        output.write(text, self._name)
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write each of the texts."""
        for line in lines:
            self.write(line)

    @property
    def buffer(self) -> "TaskBytes":
        """The same stream for bytes."""
        return TaskBytes(self._real, self._name)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


class TaskBytes:
    """Replaces `sys.stdout.buffer`; invalid UTF-8 becomes U+FFFD in a task's log."""

    def __init__(self, real: TextIO, name: StreamName) -> None:
        self._real = real
        self._name = name

    def write(self, data: bytes) -> int:
        """Write to the task, or to the real stream."""
        output = OUTPUT.get()
        if output is None:
            return self._real.buffer.write(data)
        output.write(bytes(data).decode("utf-8", "replace"), self._name)
        return len(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real.buffer, name)


def divert_event(logger: object, level: str, event: EventDict) -> EventDict:
    """A processor of structlog: an event that a function logs goes to its task, and ends here."""
    output = OUTPUT.get()
    if output is None or not output.is_open or not _logged_by_function():
        return event
    fields = format_exc_info(cast("Any", logger), level, dict(event))
    exception = fields.pop("exception", None)
    text = f"{level.upper()} {fields.pop('event', '')}"
    text = " ".join([text, *(f"{name}={value!r}" for name, value in fields.items())])
    output.write(f"{text}\n{exception}\n" if exception else f"{text}\n", "stderr")
    raise structlog.DropEvent


def keep_record(record: logging.LogRecord) -> bool:
    """A filter of standard logging: False for a record that a function logs, which goes to its
    task.
    """
    output = OUTPUT.get()
    if output is None or not output.is_open or record.name.partition(".")[0] in _OF_NODE:
        return True
    try:
        text = _RECORDS.format(record)
    except (TypeError, ValueError):  # arguments of a library's record do not fit its message
        text = f"{record.levelname} {record.name}: {record.msg}"
    output.write(f"{text}\n", "stderr")
    return False


def _logged_by_function() -> bool:
    """Whether the code that called structlog is none of the node's."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        if name != __name__ and name.partition(".")[0] != "structlog":
            return name.partition(".")[0] not in _OURS
        frame = frame.f_back
    return False
