"""A node whose system clock is set while tasks wait: only what is meant by the calendar follows."""

import asyncio
import signal
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.harness.in_process.durable_worker import GIVE_UP_S
from tests.harness.processes.killing import KilledNode, killed

CLOCK = Path(__file__).parent / "movable_clock"
WAITING = 250
"""More than wait in memory, so that some do on disk."""


async def test_a_clock_that_is_set_ends_no_wait_and_changes_no_order(tmp_path: Path) -> None:
    async with (
        killed(tmp_path) as home,
        home.node(PYTHONPATH=str(CLOCK), SLOTS="1") as node,
    ):
        gate, started = tmp_path / "gate", tmp_path / "started"
        await node.task("wait", "async", until=str(gate), started=str(started))
        while not started.exists():  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        patient = [
            {**note(home.lines, str(n)), "wait_s": 600, "priority": 5} for n in range(WAITING)
        ]
        soon = datetime.now(UTC) + timedelta(minutes=30)
        (*_, expires) = await node.submit_batch(
            [*patient, {**note(home.lines, "never"), "expires_at": soon.isoformat()}]
        )
        node.process.send(signal.SIGUSR1)
        assert (await ended(node, expires))["error"]["type"] == "/problems/wait-exceeded"
        assert (await node.get("/tasks", status="queued", limit="1"))["total"] == WAITING
        for _ in range(2):  # back to the true time, and an hour before it
            node.process.send(signal.SIGUSR2)
        (last,) = await node.submit_batch([note(home.lines, "last")])
        gate.touch()
        assert (await ended(node, last))["status"] == "completed"
        assert home.lines.read_text().split() == [*map(str, range(WAITING)), "last"]


def note(file: Path, text: str) -> dict[str, object]:
    return {"function": "note", "mode": "async", "input": {"file": str(file), "text": text}}


async def ended(node: KilledNode, task_id: str) -> dict[str, Any]:
    give_up = time.monotonic() + GIVE_UP_S
    while time.monotonic() < give_up:
        task = (await node.get(f"/tasks/{task_id}", wait_s="5"))["task"]
        if task["finished_at"] is not None:
            return dict(task)
    raise TimeoutError(task_id)
