import asyncio
import os
import time
from functools import partial

import pytest

from slotgrid.runtime.log_gathering import GATHER_S, MOST, LogGathering
from tests.slotgrid.runtime.pipes import Pipe


@pytest.fixture
def gathering(pipe: Pipe) -> LogGathering:
    return LogGathering(pipe.sink)


def made(line: bytes) -> bytes:
    return line


async def test_lines_that_may_wait_are_made_and_written_together_and_soon(
    pipe: Pipe, gathering: LogGathering
) -> None:
    lines = [b"%d\n" % number for number in range(10)]
    written: list[bytes] = []

    def make(line: bytes) -> bytes:
        written.append(line)
        return line

    for line in lines:
        gathering.soon(partial(make, line))
    readable = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(pipe.reader, readable.set)
    assert not readable.is_set()
    assert written == []
    await readable.wait()
    loop.remove_reader(pipe.reader)
    assert written == lines
    assert os.read(pipe.reader, 65536) == b"".join(lines)


async def test_lines_that_wait_stay_in_front_of_those_that_do_not(
    pipe: Pipe, gathering: LogGathering
) -> None:
    gathering.soon(partial(made, b"first\n"))
    await asyncio.to_thread(gathering.now, partial(made, b"second\n"))
    assert pipe.read_lines(2) == [b"first", b"second"]


async def test_a_blocked_loop_keeps_no_line_for_long(pipe: Pipe, gathering: LogGathering) -> None:
    gathering.soon(partial(made, b"first\n"))
    time.sleep(2 * GATHER_S)  # noqa: ASYNC251  # it is what the test is about
    gathering.soon(partial(made, b"second\n"))
    assert pipe.read_lines(2) == [b"first", b"second"]


async def test_more_lines_than_that_do_not_wait(pipe: Pipe, gathering: LogGathering) -> None:
    for number in range(MOST):
        gathering.soon(partial(made, b"%d\n" % number))
    assert pipe.read_lines(MOST) == [b"%d" % number for number in range(MOST)]


def test_without_a_loop_no_line_waits(pipe: Pipe, gathering: LogGathering) -> None:
    gathering.soon(partial(made, b"alone\n"))
    assert pipe.read_lines(1) == [b"alone"]
