"""A pipe that a log is written into."""

import os
from dataclasses import dataclass

from slotgrid.runtime.log_sink import LogSink


@dataclass
class Pipe:
    """A pipe of 64 KiB whose reader reads when it is told to."""

    reader: int
    sink: LogSink

    def read_lines(self, count: int) -> list[bytes]:
        """Exactly `count` lines, however long they take."""
        data = b""
        while data.count(b"\n") < count:
            data += os.read(self.reader, 65536)
        assert data.count(b"\n") == count
        return data.splitlines()
