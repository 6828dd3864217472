"""Lines to a descriptor, without ever waiting for whoever reads them.

A terminal held with Ctrl-S or a log shipper that stopped must not stop the event loop. While the
reader keeps up, the caller writes by itself, and no thread costs anything. When it does not, a
thread takes the lines over until it has caught up.
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
# Chunks written in one hold of the lock, so that a caller never waits for a whole backlog.
BURST = 64
TICK_MS = 100


class LogSink:
    """Writes lines in order to a descriptor of its own; past its bound they are only counted.

    `lost_line` makes the line that stands where lines were lost, from their number.
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
        # Reentrant: a finalizer may log at any moment, also while this thread is in here.
        self._lock = RLock()
        self._ready = select.poll()
        self._ready.register(descriptor, select.POLLOUT)
        # A file takes whatever it is given, so there is nothing to ask it.
        self._is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
        self._backlog: deque[bytes] = deque()
        self._backlog_size = 0
        self._lost = 0
        self._drainer: Thread | None = None
        self._closed = False

    def write(self, line: bytes) -> None:
        """Write the line, or leave it to the thread; any thread may call this."""
        with self._lock:
            self._write(line)

    def write_all(self, lines: list[bytes]) -> None:
        """Write the lines, at once where nothing stands in front of them."""
        with self._lock:
            if self._backlog:  # where each counts for itself, as it may be lost
                for line in lines:
                    self._write(line)
            else:
                self._write(b"".join(lines))

    def _write(self, line: bytes) -> None:
        """Write a line, or some that nothing stands in front of. Needs the lock."""
        if self._closed:
            return
        if not self._backlog:
            if rest := self._write_ready(line):
                self._append(rest)
        elif self._lost or self._backlog_size + len(line) > self._limit:
            # Once a line is lost the next ones are too, up to the mark: no gap goes unmarked.
            self._lost += 1
        else:
            self._append(line)

    def close(self, timeout_s: float = 1.0) -> None:
        """Give the reader `timeout_s` to take what waits, then close. Idempotent."""
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
        """Write as much as goes without waiting and return the rest. Needs the lock."""
        while data and (self._is_file or self._ready.poll(0)):
            try:
                written = os.write(self._descriptor, data[:CHUNK])
            except BlockingIOError:
                break  # somebody else made the shared descriptor non-blocking
            except OSError:
                # The reader is gone or the disk is full: a service does not end over its log.
                return b""
            data = data[written:]
        return data

    def _drain(self) -> None:
        # A poll object of its own, as one cannot be used by two threads at once.
        ready = select.poll()
        ready.register(self._descriptor, select.POLLOUT)
        while True:
            ready.poll(TICK_MS)
            with self._lock:
                if self._closed or self._catch_up():
                    self._drainer = None
                    return

    def _catch_up(self) -> bool:
        """Write a burst; whether nothing is left. Needs the lock."""
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
