"""Real blocked loops, in a process of their own: the watchdog ends the process it is in."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from slotgrid.runtime.watchdog import LoopWatchdog, function_task_name

PROGRAM = """
import asyncio, re, sys, time, uvloop
from pathlib import Path
from slotgrid.runtime.logs import configure_logs
from slotgrid.runtime.secrets import Redactor
from slotgrid.runtime.setting_choices import LogFormat, LogLevel
from slotgrid.runtime.watchdog import LoopWatchdog, function_task_name

async def sleeps():
    time.sleep({blocked_s})

async def spins():
    while True:
        pass

async def backtracks():
    re.match("(a+)+$", "a" * 60 + "b")

async def waits():
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)

async def main():
    async with LoopWatchdog(
        stall_s={stall_s},
        data_dir=Path({data_dir!r}),
        on_stall=lambda function: print("stalled", function, flush=True),
    ):
        await asyncio.create_task({function}(), name=function_task_name("{function}"))

with configure_logs(
    level=LogLevel.INFO, log_format=LogFormat.JSON, ring_size=9, stream=sys.stderr,
    redactor=Redactor(),
):
    {run}(main())
"""

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started = contextlib.ExitStack()

    def run(
        function: str,
        *,
        stall_s: float = 1.0,
        blocked_s: float = 60,
        with_loop: str = "asyncio",
    ) -> "subprocess.Popen[str]":
        program = PROGRAM.format(
            function=function,
            stall_s=stall_s,
            blocked_s=blocked_s,
            data_dir=str(tmp_path),
            run=f"{with_loop}.run",
        )
        process = subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[3],
        )
        started.enter_context(process)
        # Also if the test fails, for what these programs do is never to end.
        started.callback(process.kill)
        return process

    with started:
        yield run


def block_for(seconds: float) -> None:
    time.sleep(seconds)


def block_until(accused: list[str | None]) -> None:
    """Block until the watchdog counts a stall of 2 s, for less than the 6 s after which it acts."""
    deadline = time.monotonic() + 5
    while not accused and time.monotonic() < deadline:
        time.sleep(0.01)


def nobody(function: str | None) -> None:
    pytest.fail(f"accused: {function}")


def log_lines(stderr: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stderr.splitlines()]


@pytest.mark.parametrize(
    ("function", "with_loop"), [("sleeps", "asyncio"), ("spins", "asyncio"), ("spins", "uvloop")]
)
def test_a_function_that_blocks_for_good_is_named_and_the_process_ends(
    start: Start, tmp_path: Path, function: str, with_loop: str
) -> None:
    process = start(function, with_loop=with_loop)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 70
    assert out == f"stalled {function}\n"
    blocked, ended = log_lines(err)
    assert (blocked["event"], blocked["function"]) == ("loop.blocked", function)
    assert f"in {function}" in blocked["stack"]
    assert (ended["event"], ended["exit_status"]) == ("loop.blocked_for_good", 70)
    assert json.loads((tmp_path / "last_stall.json").read_text())["function"] == function


def test_code_that_keeps_the_interpreters_lock_ends_the_process_too(
    start: Start, tmp_path: Path
) -> None:
    process = start("backtracks")
    process.communicate(timeout=60)
    assert process.returncode == 1
    assert "in backtracks" in (tmp_path / "last_stall.trace").read_text()


def test_a_function_that_blocks_for_a_while_is_named_and_goes_on(start: Start) -> None:
    process = start("sleeps", stall_s=1, blocked_s=1.6)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert out == "stalled sleeps\n"
    assert log_lines(err)[0]["event"] == "loop.blocked"


def test_a_process_that_was_stopped_as_a_whole_is_not_accused(start: Start) -> None:
    process = start("waits", stall_s=1)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    os.kill(process.pid, signal.SIGSTOP)
    time.sleep(2)  # the subject: two stalls' worth of time in which nothing of it runs
    os.kill(process.pid, signal.SIGCONT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "")
    assert "loop.blocked" not in err


@pytest.mark.parametrize("name", ["last_stall.json", "last_stall.trace"])
async def test_the_next_start_says_once_why_the_last_one_ended(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text('{"function": "crawl", "stack": "in crawl"}')
    with capture_logs() as first:
        async with LoopWatchdog(stall_s=5, data_dir=tmp_path, on_stall=nobody):
            pass
    assert [line["event"] for line in first] == ["loop.blocked_until_the_end"]
    assert "crawl" in first[0]["stack"]
    with capture_logs() as second:
        async with LoopWatchdog(stall_s=5, data_dir=tmp_path, on_stall=nobody):
            pass
    assert second == []


async def test_a_record_that_cannot_be_read_does_not_stop_the_start(tmp_path: Path) -> None:
    (tmp_path / "last_stall.json").write_text("{half")
    with capture_logs() as lines:
        async with LoopWatchdog(stall_s=5, data_dir=tmp_path, on_stall=nobody):
            pass
    assert lines == []


async def test_a_loop_that_turns_is_not_accused_and_nothing_is_left(tmp_path: Path) -> None:
    accused: list[str | None] = []
    async with LoopWatchdog(stall_s=2, data_dir=tmp_path, on_stall=accused.append) as watchdog:
        for _ in range(6):
            block_for(0.3)  # rude, but below the bound: a beat comes through in between
            await asyncio.sleep(0)
        assert watchdog.lag_s > 0
    assert accused == []
    assert "loop-watchdog" not in {thread.name for thread in threading.enumerate()}


async def test_a_stall_that_could_cost_a_link_is_logged_before_it_is_counted(
    tmp_path: Path,
) -> None:
    with capture_logs() as lines:
        async with LoopWatchdog(stall_s=60, data_dir=tmp_path, on_stall=nobody):
            block_for(2.9)  # a peer takes its link for broken after 3 s
    assert "loop.blocked" in [line["event"] for line in lines]


async def test_who_runs_may_be_told_by_the_owner(tmp_path: Path) -> None:
    accused: list[str | None] = []
    watchdog = LoopWatchdog(
        stall_s=2, data_dir=tmp_path, on_stall=accused.append, current=lambda: "from outside"
    )
    async with watchdog:
        block_until(accused)
    assert accused == ["from outside"]


async def test_a_task_of_the_nodes_own_is_not_taken_for_a_function(tmp_path: Path) -> None:
    accused: list[str | None] = []

    async def block() -> None:
        block_until(accused)

    async with LoopWatchdog(stall_s=2, data_dir=tmp_path, on_stall=accused.append):
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.create_task(block(), name="heartbeat")
    assert accused == [None]


async def test_a_fault_in_counting_does_not_end_the_watch(tmp_path: Path) -> None:
    called = threading.Event()

    def miscount(function: str | None) -> None:
        called.set()
        raise LookupError("no such metric")

    with capture_logs() as lines:
        async with LoopWatchdog(stall_s=2, data_dir=tmp_path, on_stall=miscount):
            called.wait(5)
            await asyncio.sleep(0)
    assert "loop.stall_not_counted" in [line["event"] for line in lines]


def test_the_name_of_a_functions_task_is_readable() -> None:
    assert function_task_name("shop/orders") == "function:shop/orders"
