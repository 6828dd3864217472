import fcntl
import os
from collections.abc import Iterator
from threading import enumerate as threads

import pytest

from slotgrid.runtime.log_sink import LogSink
from tests.slotgrid.runtime.pipes import Pipe


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 65536)
    sink = LogSink(writer, lambda lines: b"lost %d\n" % lines, backlog_bytes=100_000)
    yield Pipe(reader, sink)
    sink.close(timeout_s=0)
    os.close(reader)
    assert "log-drain" not in {thread.name for thread in threads()}
