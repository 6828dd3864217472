"""A bounded queue of log lines, and the thread that writes them.

A terminal held with Ctrl-S or a stopped log shipper must not stop the event loop: only the thread
waits for the reader.
"""

import os
import select
import time
from logging import LogRecord
from logging.handlers import QueueHandler, QueueListener
from queue import SimpleQueue
from threading import Event

import structlog

log = structlog.get_logger()

LINES_LIMIT = 4096
CHARS_LIMIT = 4 * 1024 * 1024
"""Lines and characters that are not written yet, at most (and one line more)."""
FLUSH_S = 1.0
"""How long `flush` and `stop` wait for the reader, at most."""
GATHER_S = 0.01
"""Seconds in which lines gather before they are written together.

A write for each line takes 15 µs of CPU, a tenth of a short task, and cannot keep up with a busy
event loop: after each one, the thread waits for the interpreter's lock.
"""


class LineQueue(QueueHandler):
    """Queues each line, formatted where it is logged.

    While the queue is full, lines are lost; `logs.lost` in front of the next line counts them.
    """

    def __init__(self) -> None:
        # Its `put` is reentrant: a finalizer may log at any moment, also while its thread logs.
        self.lines: SimpleQueue[str | Event | None] = SimpleQueue()
        super().__init__(self.lines)
        self._lost = 0
        self._unwritten_lines = 0
        self._unwritten_chars = 0
        self._has_writer = True

    def write(self, line: str) -> None:
        """Queue a line of structlog."""
        self.acquire()
        try:
            self.enqueue(line)
        finally:
            self.release()

    def prepare(self, record: LogRecord) -> str:
        """The record as a line: the listener needs nothing else."""
        return self.format(record)

    def enqueue(self, record: str) -> None:  # type: ignore[override]  # what `prepare` returns
        """Queue a line or count it as lost. Called under the handler's lock."""
        if self._unwritten_lines >= LINES_LIMIT or self._unwritten_chars >= CHARS_LIMIT:
            self._lost += 1
            return
        if lost := self._lost:
            self._lost = 0
            # Not `log.warning`, which LOG_LEVEL=error leaves out: a gap is always reported.
            log.bind()._proxy_to_logger("warning", "logs.lost", lines=lost)
        self._unwritten_lines += 1
        self._unwritten_chars += len(record)
        self.lines.put(record)

    def note_written(self, lines: list[str]) -> None:
        """Make room for as many lines as were written."""
        self.acquire()
        self._unwritten_lines -= len(lines)
        self._unwritten_chars -= sum(map(len, lines))
        self.release()

    def flush(self) -> None:
        """Wait until all lines logged so far are written, at most `FLUSH_S`."""
        if not self._has_writer:
            return
        written = Event()
        self.lines.put(written)
        written.wait(FLUSH_S)

    def close(self) -> None:
        """Wait no more: the writer has ended. Python flushes every handler at the exit."""
        self._has_writer = False
        super().close()


class LineLogger:
    """The end of structlog's chain; its methods are named by level."""

    def __init__(self, lines: LineQueue) -> None:
        self.debug = self.info = self.warning = self.error = self.critical = lines.write


class LineWriter(QueueListener):
    """Writes queued lines to a descriptor, which it closes at the end."""

    def __init__(self, lines: LineQueue, descriptor: int) -> None:
        super().__init__(lines.queue)
        self._queue = lines
        self._lines = lines.lines
        self._descriptor = descriptor
        self._writable = select.poll()
        self._writable.register(descriptor, select.POLLOUT)

    def handle(self, record: str | Event) -> None:  # type: ignore[override]  # as queued
        """Write a line and those behind it, or set an event of `flush`."""
        if isinstance(record, Event):
            record.set()
            return
        time.sleep(GATHER_S)
        lines = [record]
        written: list[Event] = []
        for _ in range(self._lines.qsize()):
            line = self._lines.get()
            if isinstance(line, str):
                lines.append(line)
            elif isinstance(line, Event):
                written.append(line)
            else:
                self._lines.put(line)  # the end: its turn comes after these lines
                break
        self._write("".join(f"{line}\n" for line in lines).encode("utf-8", "replace"))
        self._queue.note_written(lines)
        for event in written:
            event.set()

    def _write(self, data: bytes) -> None:
        """Write, however long the reader takes."""
        while data:
            try:
                data = data[os.write(self._descriptor, data) :]
            except BlockingIOError:  # another process made the shared descriptor non-blocking
                self._writable.poll()
            except OSError:
                # The reader is gone or the disk is full: a service must not end because of its log.
                return

    def stop(self) -> None:
        """End once all lines are written. A reader that stopped is given up after `FLUSH_S`.

        The thread is then left behind: it is a daemon, so it does not keep the process from ending.
        """
        thread = self._thread
        assert thread is not None, "not started"
        self.enqueue_sentinel()
        thread.join(FLUSH_S)
        if not thread.is_alive():
            os.close(self._descriptor)
