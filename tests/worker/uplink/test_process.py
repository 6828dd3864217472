"""A worker as a process of its own: told to end, stopped, killed, while a balancer looks on."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from textwrap import dedent

import psutil

from slotgrid.wire import messages as m
from slotgrid.wire.limits import SILENT_TICKS, TICK_S
from slotgrid.wire.link_ending import CloseCode
from tests.harness.environment import KEY, NO_CHROMIUM
from tests.harness.peers.fake_balancer import Conversation, dialled
from tests.harness.processes.home import Home
from tests.harness.processes.process import Process
from tests.worker.uplink.test_tasks import FUNCTIONS

LOST_S = SILENT_TICKS * TICK_S
HEAD = "from slotgrid.function import Context, function\n"


@asynccontextmanager
async def worker_process(tmp_path: Path) -> AsyncIterator[tuple[Process, Conversation]]:
    """A worker without a browser, and a balancer that has dialled it."""
    home = Home(tmp_path)
    for name, text in FUNCTIONS.items():
        (home.functions / name).write_text(HEAD + dedent(text), encoding="utf-8")
    process = home.python("-m", "worker", CHROMIUM_PATH=NO_CHROMIUM)
    try:
        port = (await asyncio.to_thread(process.until_event, "worker.listening"))["port"]
        async with dialled(f"http://127.0.0.1:{port}", KEY, boot="b1") as balancer:
            await balancer.hears(m.Report)
            yield process, balancer
    finally:
        await asyncio.to_thread(home.end_everything)


async def test_sigterm_is_told_first_and_what_runs_is_finished(tmp_path: Path) -> None:
    async with worker_process(tmp_path) as (process, balancer):
        running = balancer.offer("sleeps", input={"seconds": 1})
        await balancer.hears(m.EventMessage)
        before = len(balancer.heard)
        process.send(signal.SIGTERM)
        await balancer.hears(m.Draining)
        news = [one for one in balancer.heard[before:] if not isinstance(one, m.Report)]
        assert isinstance(news[0], m.Draining)
        assert isinstance(await balancer.outcome(running), m.Done)
        ending = await balancer.ending()
        assert (ending.code, ending.reason) == (CloseCode.GOING_AWAY, "the worker exits")
        assert await asyncio.to_thread(process.wait) == 0


async def test_a_worker_that_stands_still_is_lost_and_cancels_when_it_wakes(
    tmp_path: Path,
) -> None:
    async with worker_process(tmp_path) as (process, balancer):
        balancer.offer("sleeps")
        await balancer.hears(m.EventMessage)
        worker = psutil.Process(process.pid)
        worker.suspend()
        before = time.monotonic()
        ending = await balancer.ending()
        assert ending.code == CloseCode.SILENT
        assert time.monotonic() - before < 5 * LOST_S
        worker.resume()
        dropped = await asyncio.to_thread(process.until_event, "uplink.task_dropped")
        assert dropped["reason"] == "the link to its balancer was lost"


async def test_a_worker_that_is_killed_is_lost_at_once(tmp_path: Path) -> None:
    async with worker_process(tmp_path) as (process, balancer):
        balancer.offer("sleeps")
        await balancer.hears(m.EventMessage)
        await asyncio.to_thread(process.kill)
        before = time.monotonic()
        assert (await balancer.ending()).code == CloseCode.CUT
        assert time.monotonic() - before < LOST_S
