"""Logs into a pipe whose reader is slow, stops or leaves."""

import fcntl
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from threading import Thread
from typing import Any

import orjson
import pytest
import structlog

from slotgrid.runtime import log_queue
from slotgrid.runtime.logs import LogRing, configure_logs, flush_logs
from slotgrid.runtime.secrets import Redactor
from slotgrid.runtime.setting_choices import LogFormat, LogLevel

log = structlog.get_logger()

PIPE_BYTES = 4096
TEXT = "x" * 500


@dataclass
class Pipe:
    """A small pipe that a log is written into."""

    reader: int
    writer: int

    def fileno(self) -> int:
        return self.writer

    def isatty(self) -> bool:
        return False

    def read(self) -> list[dict[str, Any]]:
        """All lines, until each writer has closed the pipe."""
        os.close(self.writer)
        data = b""
        while some := os.read(self.reader, 65536):
            data += some
        return [orjson.loads(line) for line in data.splitlines()]


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    yield Pipe(reader, writer)
    for descriptor in (reader, writer):
        with suppress(OSError):  # the test has closed it
            os.close(descriptor)


def logs_to(pipe: Pipe, level: LogLevel = LogLevel.INFO) -> AbstractContextManager[LogRing]:
    return configure_logs(
        level=level,
        log_format=LogFormat.JSON,
        ring_size=5,
        stream=pipe,
        redactor=Redactor(),
    )


def read_in_thread(pipe: Pipe) -> tuple[Thread, list[dict[str, Any]]]:
    lines: list[dict[str, Any]] = []
    reader = Thread(target=lambda: lines.extend(pipe.read()))
    reader.start()
    return reader, lines


def test_a_stopped_reader_blocks_nobody_and_lines_keep_their_order(pipe: Pipe) -> None:
    with logs_to(pipe):
        for number in range(100):  # more than the pipe holds: a direct write would block for ever
            log.info("line", number=number, text=TEXT)
        reader, lines = read_in_thread(pipe)
    reader.join()
    assert [line["number"] for line in lines] == list(range(100))


@pytest.mark.parametrize(
    ("level", "limit"),
    [
        (LogLevel.INFO, ("LINES_LIMIT", 20)),
        (LogLevel.ERROR, ("LINES_LIMIT", 20)),
        (LogLevel.INFO, ("CHARS_LIMIT", 20 * len(TEXT))),
    ],
)
def test_lost_lines_are_counted_where_they_are_missing(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch, level: LogLevel, limit: tuple[str, int]
) -> None:
    monkeypatch.setattr(log_queue, *limit)
    with logs_to(pipe, level) as ring:
        for number in range(200):
            log.error("line", number=number, text=TEXT)
        assert ring.entries()[-1]["number"] == 199
        reader, lines = read_in_thread(pipe)
        flush_logs()
        log.error("after")
    reader.join()
    *written, after = lines
    number = 0
    for line in written:  # the thread may make room while lines are logged: there may be two gaps
        if line["event"] == "logs.lost":
            assert line["level"] == "warning"
            number += line["lines"]
        else:
            assert line["number"] == number
            number += 1
    assert number == 200
    assert len(written) < 200
    assert after["event"] == "after"


def test_a_flush_after_the_end_waits_for_nothing(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python flushes all handlers at the exit: each of an earlier configuration took a second."""
    with logs_to(pipe):
        handler = logging.getLogger().handlers[-1]
    monkeypatch.setattr(log_queue, "FLUSH_S", 60)
    flush = Thread(target=handler.flush, daemon=True)
    flush.start()
    flush.join(10)
    assert not flush.is_alive()


def test_a_flush_does_not_wait_for_lines_logged_after_it(pipe: Pipe) -> None:
    lines = log_queue.LineQueue()
    written = threading.Event()
    for entry in (written, "after"):  # behind the line that is being written
        lines.lines.put(entry)
    log_queue.LineWriter(lines, pipe.writer).handle("before")
    assert written.is_set()


def test_a_line_longer_than_the_pipe_arrives_whole(pipe: Pipe) -> None:
    text = "y" * 10 * PIPE_BYTES
    with logs_to(pipe):
        log.info("long", text=text)
        log.info("next")
        reader, lines = read_in_thread(pipe)
    reader.join()
    assert [line.get("text") for line in lines] == [text, None]


def test_a_descriptor_that_another_process_made_non_blocking_loses_no_line(pipe: Pipe) -> None:
    os.set_blocking(pipe.writer, False)
    with logs_to(pipe):
        for number in range(100):
            log.info("line", number=number, text=TEXT)
        reader, lines = read_in_thread(pipe)
    reader.join()
    assert [line["number"] for line in lines] == list(range(100))


def test_a_reader_that_has_left_is_no_fault(pipe: Pipe) -> None:
    with logs_to(pipe) as ring:
        os.close(pipe.reader)
        log.info("nobody reads this")
        flush_logs()
        log.info("nor this")
    assert [entry["event"] for entry in ring.entries()] == ["nobody reads this", "nor this"]


def test_a_stopped_reader_does_not_keep_the_process_from_ending(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_queue, "FLUSH_S", 0.05)
    before = set(threading.enumerate())
    with logs_to(pipe):
        for _ in range(100):
            log.info("line", text=TEXT)
        flush_logs()
    (writer,) = set(threading.enumerate()) - before
    assert writer.daemon  # so the interpreter does not wait for it
    log.info("too late")
    reader = Thread(target=os.read, args=[pipe.reader, PIPE_BYTES])
    reader.start()
    reader.join()
    os.close(pipe.reader)
    writer.join()


class LogsItself:
    """Logs while another line is made, as a finalizer may at any moment."""

    def __str__(self) -> str:
        log.info("inner")
        return "text"


def test_a_line_logged_while_another_is_made_is_no_deadlock(pipe: Pipe) -> None:
    with logs_to(pipe):
        log.info("outer", value=LogsItself())
    assert [line["event"] for line in pipe.read()] == ["inner", "outer"]
