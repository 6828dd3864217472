"""A task whose node dies while it runs has its whole time again at the next start."""

import asyncio
import time
from pathlib import Path

from tests.harness.in_process.durable_worker import GIVE_UP_S
from tests.harness.processes.killing import Killed, killed

TIMEOUT_S = 30
RUNS_S = 3.0
"""How long the first run lasts: what a second one would lack, if its time went on counting."""

TIMED = '''
import asyncio
from pathlib import Path
from slotgrid.function import Context, function

@function(retries=1, timeout_s=60)
async def timed(context: Context, file: str) -> float:
    """Write how much time is left; the second run returns it."""
    left_s = context.deadline.remaining_s
    with Path(file).open("a") as lines:
        lines.write(f"{left_s}\\n")
    if context.attempt == 1:
        await asyncio.sleep(60)
    return left_s
'''


async def test_timeout_s_counts_from_each_start(tmp_path: Path) -> None:
    async with killed(tmp_path) as home:
        (tmp_path / "functions" / "timed.py").write_text(TIMED)
        async with home.node() as node:
            (task_id,) = await node.submit_batch(
                [
                    {
                        "function": "timed",
                        "mode": "async",
                        "timeout_s": TIMEOUT_S,
                        "input": {"file": str(home.lines)},
                    }
                ]
            )
            await until_lines(home, 1)
            await asyncio.sleep(RUNS_S)
            node.kill()
            await node.died()
        async with home.node() as node:
            task = (await node.get(f"/tasks/{task_id}", wait_s="60"))["task"]
    assert (task["status"], task["lost_starts"]) == ("completed", 1)
    first_s, second_s = map(float, home.lines.read_text().split())
    for left_s in (first_s, second_s, task["result"]):
        assert TIMEOUT_S - RUNS_S / 2 < left_s <= TIMEOUT_S


async def until_lines(home: Killed, count: int) -> None:
    give_up = time.monotonic() + GIVE_UP_S
    while time.monotonic() < give_up:
        if home.lines.exists() and len(home.lines.read_text().split()) >= count:
            return
        await asyncio.sleep(0.01)
    raise TimeoutError
