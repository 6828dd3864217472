import os
import time
from threading import enumerate as threads

from slotgrid.runtime.log_sink import LogSink
from tests.slotgrid.runtime.pipes import Pipe

LINE = b"x" * 999 + b"\n"


def test_while_the_reader_keeps_up_no_thread_is_needed(pipe: Pipe) -> None:
    for number in range(10):
        pipe.sink.write(b"%d\n" % number)
        assert pipe.read_lines(1) == [b"%d" % number]
    assert "log-drain" not in {thread.name for thread in threads()}


def test_lines_that_come_together_are_lost_one_by_one_when_nobody_reads(pipe: Pipe) -> None:
    lines = [b"%04d" % number + LINE[4:] for number in range(1000)]
    for begin in range(0, 1000, 10):
        pipe.sink.write_all(lines[begin : begin + 10])
    data = b""
    while b"lost " not in data or not data.endswith(b"\n"):
        data += os.read(pipe.reader, 65536)
    *kept, lost = data.splitlines()
    assert [int(line[:4]) for line in kept] == list(range(len(kept)))
    assert lost == b"lost %d" % (1000 - len(kept))


def test_a_reader_that_stopped_stops_nobody_and_order_is_kept(pipe: Pipe) -> None:
    started = time.monotonic()
    for number in range(130):
        pipe.sink.write(b"%03d" % number + LINE[3:])
    # Generous: what counts is that no write waited for the reader, which never comes.
    assert time.monotonic() - started < 5
    lines = pipe.read_lines(130)
    assert [int(line[:3]) for line in lines] == list(range(130))


def test_what_is_lost_is_counted_where_it_is_missing(pipe: Pipe) -> None:
    for number in range(1000):
        pipe.sink.write(b"%03d" % number + LINE[3:])
    data = b""
    while b"lost" not in data:
        data += os.read(pipe.reader, 65536)
    *kept, mark = data.splitlines()
    assert [int(line[:3]) for line in kept] == list(range(len(kept)))
    assert mark == b"lost %d" % (1000 - len(kept))
    while "log-drain" in {thread.name for thread in threads()}:
        time.sleep(0.001)  # the thread ends by itself once it has caught up
    pipe.sink.write(b"after\n")
    assert pipe.read_lines(1) == [b"after"]


def test_a_line_longer_than_the_pipe_arrives_whole(pipe: Pipe) -> None:
    line = b"y" * 120_000
    pipe.sink.write(line + b"\n")
    pipe.sink.write(b"next\n")
    assert pipe.read_lines(2) == [line, b"next"]


def test_a_reader_that_is_gone_is_no_reason_to_fail() -> None:
    reader, writer = os.pipe()
    sink = LogSink(writer, lambda lines: b"lost %d\n" % lines)
    os.close(reader)
    sink.write(b"nobody reads this\n")
    sink.close()


def test_closing_gives_the_reader_a_moment_and_no_more(pipe: Pipe) -> None:
    for _ in range(100):
        pipe.sink.write(LINE)
    started = time.monotonic()
    pipe.sink.close(timeout_s=0.05)
    assert time.monotonic() - started < 5
    pipe.sink.write(b"too late\n")
    data = b""
    while read := os.read(pipe.reader, 65536):
        data += read
    assert data.startswith(LINE)
    assert b"too late" not in data
