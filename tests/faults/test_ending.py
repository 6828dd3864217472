"""What functions leave behind in the process does not keep it from ending."""

import signal

import pytest

from tests.harness.environment import NO_CHROMIUM
from tests.harness.processes.home import Home, home
from tests.harness.processes.worker import running_worker as worker_process

__all__ = ["home"]

STUBBORN = """
import asyncio
from slotgrid.function import Context, function

@function(timeout_s=1)
async def stays(context: Context) -> None:
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            pass
"""
IN_A_THREAD = """
import asyncio, time
from slotgrid.function import Context, function

@function(timeout_s=1)
async def stays(context: Context) -> None:
    await asyncio.to_thread(time.sleep, 600)
"""
OWN_THREAD = """
import threading, time
from slotgrid.function import Context, function

@function(timeout_s=1)
async def stays(context: Context) -> None:
    threading.Thread(target=time.sleep, args=[600]).start()
"""


@pytest.mark.parametrize("text", [STUBBORN, IN_A_THREAD, OWN_THREAD])
def test_a_worker_ends_whatever_a_function_left_running(home: Home, text: str) -> None:
    (home.functions / "stays.py").write_text(text)
    home.env = {**home.env, "CHROMIUM_PATH": NO_CHROMIUM}
    with worker_process(home, ends=True) as worker:
        assert worker.run("stays").status in {200, 504}
        worker.process.send(signal.SIGTERM)
        worker.assert_ended_well()
        assert len(worker.process.events("worker.ended")) == 1
