"""What a dead process ran is told as lost at the next start, whose log is clean."""

import asyncio
from pathlib import Path

from tests.harness.in_process.durable_worker import GIVE_UP_S
from tests.harness.processes.killing import killed


async def test_a_restart_delivers_what_its_last_process_left_running(tmp_path: Path) -> None:
    async with killed(tmp_path) as home:
        async with home.node() as node:
            started = tmp_path / "started"
            given = {"until": str(tmp_path / "never"), "started": str(started)}
            status, answer = await node.task("wait", "webhook", **given)
            assert status == 202
            async with asyncio.timeout(GIVE_UP_S):
                while not started.exists():  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            node.kill()
            await node.died()
        async with home.node() as node:
            [task] = await node.settled()
            assert (task["id"], task["status"]) == (answer["id"], "failed")
            assert home.told_of() == {task["id"]: {"failed"}}
            deliveries = (await node.get(f"/tasks/{task['id']}"))["task"]["deliveries"]
            assert [made["number"] for made in deliveries] == [1]
            assert "AssertionError" not in node.process.said
            assert "never retrieved" not in node.process.said
