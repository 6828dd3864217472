"""Writes log lines to a descriptor, without ever waiting for the reader.

A terminal held with Ctrl-S or a stopped log shipper must not stop the event loop. While the reader
keeps up, the caller writes directly, without the cost of a thread. If the reader falls behind, a
thread writes the lines until it has caught up.
"""

import os
import select
import stat
from collections import deque
from collections.abc import Callable
from threading import RLock, Thread

# A pipe that polls as writable takes this much without blocking (pipe(7)).
CHUNK = select.PIPE_BUF
BACKLOG_BYTES = 4 * 1024 * 1024
# Chunks written while the lock is held, so that a caller never waits for a whole backlog.
BURST = 64
TICK_MS = 100


class LogSink:
    """Writes lines in order to its own descriptor; lines above the backlog's limit are counted.

    `lost_line` makes the line that replaces lost lines, from their number.
    """

    def __init__(
        self,
        descriptor: int,
        lost_line: Callable[[int], bytes],
        backlog_bytes: int = BACKLOG_BYTES,
    ) -> None:
        self._descriptor = descriptor
        self._lost_line = lost_line
        self._limit = backlog_bytes
        # Reentrant: a finalizer may log at any moment, also while its thread holds the lock.
        self._lock = RLock()
        self._ready = select.poll()
        self._ready.register(descriptor, select.POLLOUT)
        # A regular file never blocks, so it needs no poll.
        self._is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
        self._backlog: deque[bytes] = deque()
        self._backlog_size = 0
        self._lost = 0
        self._drainer: Thread | None = None
        self._closed = False

    def write(self, line: bytes) -> None:
        """Write the line, or queue it for the thread; any thread may call this."""
        with self._lock:
            self._write(line)

    def write_all(self, lines: list[bytes]) -> None:
        """Write the lines, as one if there is no backlog."""
        with self._lock:
            if self._backlog:  # one by one, as each may be lost and counted
                for line in lines:
                    self._write(line)
            else:
                self._write(b"".join(lines))

    def _write(self, line: bytes) -> None:
        """Write a line, or joined lines if there is no backlog. Needs the lock."""
        if self._closed:
            return
        if not self._backlog:
            if rest := self._write_ready(line):
                self._append(rest)
        elif self._lost or self._backlog_size + len(line) > self._limit:
            # After a lost line the next ones are lost too, up to the mark: every gap is marked.
            self._lost += 1
        else:
            self._append(line)

    def close(self, timeout_s: float = 1.0) -> None:
        """Give the reader `timeout_s` to take the backlog, then close. Idempotent."""
        drainer = self._drainer
        if drainer is not None:
            drainer.join(timeout_s)
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._backlog.clear()
        if drainer is not None:
            drainer.join()  # within a tick, as it sees `_closed`
        os.close(self._descriptor)

    def _append(self, line: bytes) -> None:
        self._backlog.append(line)
        self._backlog_size += len(line)
        if self._drainer is None:
            self._drainer = Thread(target=self._drain, name="log-drain", daemon=True)
            self._drainer.start()

    def _write_ready(self, data: bytes) -> bytes:
        """Write as much as possible without blocking, and return the rest. Needs the lock."""
        while data and (self._is_file or self._ready.poll(0)):
            try:
                written = os.write(self._descriptor, data[:CHUNK])
            except BlockingIOError:
                break  # another process made the shared descriptor non-blocking
            except OSError:
                # The reader is gone or the disk is full: a service must not end because of its log.
                return b""
            data = data[written:]
        return data

    def _drain(self) -> None:
        # A second poll object, as two threads cannot share one.
        ready = select.poll()
        ready.register(self._descriptor, select.POLLOUT)
        while True:
            ready.poll(TICK_MS)
            with self._lock:
                if self._closed or self._catch_up():
                    self._drainer = None
                    return

    def _catch_up(self) -> bool:
        """Write a burst, and return whether the backlog is empty. Needs the lock."""
        for _ in range(BURST):
            if not self._backlog:
                if not self._lost:
                    return True
                self._backlog.append(self._lost_line(self._lost))
                self._lost = 0
            rest = self._write_ready(self._backlog[0])
            if rest:
                self._backlog[0] = rest
                break
            self._backlog.popleft()
        self._backlog_size = sum(map(len, self._backlog))
        return False
