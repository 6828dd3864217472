"""`slotgrid tasks` and `slotgrid workers` against a balancer."""

import asyncio
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.harness.calls import GIVE_UP_S
from tests.harness.environment import KEY
from tests.harness.peers.receivers import receiver
from tests.harness.processes.nodes import Node, nodes


@dataclass(frozen=True)
class Ran:
    """What a command said, and its status."""

    status: int
    out: str
    said: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


async def slotgrid(node: Node, *words: str) -> Ran:
    """Run `slotgrid` with the node's address and key."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "slotgrid.cli", *words),
        env={**os.environ, "SLOTGRID_URL": node.url, "AUTH_KEY": KEY, "NO_COLOR": "1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(GIVE_UP_S):
        out, said = await process.communicate()
    return Ran(process.returncode or 0, out.decode(), said.decode())


async def test_flows_are_listed_and_followed_by_the_command_line(tmp_path: Path) -> None:
    flows = tmp_path / "flows"
    flows.mkdir()
    (flows / "pieces.yaml").write_text(
        "kind: flow\ndescription: Two pieces.\nsteps:\n"
        "  - {name: sleeps, function: nap, with: {seconds: 1}}\n"
        "  - {name: last, function: echo, with: {value: 7}}\n"
    )
    async with nodes(tmp_path) as started:
        balancer = await started.balancer("balancer-1", FUNCTIONS_DIR=flows)
        worker = await started.worker("worker-1", balancer)
        await balancer.until_ready_workers(1)
        listed = await slotgrid(balancer, "flows")
        assert "pieces" in listed.out
        assert "Two pieces." in listed.out
        called = await slotgrid(balancer, "call", "pieces", "--mode", "async")
        shown = await slotgrid(balancer, "tasks", "show", "--follow", called.json["id"])
        assert shown.status == 0, shown.said
        assert "└── ✓ last  echo  on worker-1" in shown.out
        (flow,) = (await slotgrid(balancer, "flows", "--json")).json["flows"]
        assert (flow["name"], flow["last"]["status"]) == ("pieces", "completed")
        for node in (balancer, worker):
            await node.until_idle()


async def test_durable_tasks_of_a_fleet_are_handled_by_the_command_line(tmp_path: Path) -> None:
    async with receiver() as told, nodes(tmp_path) as started:
        balancer = await started.balancer("balancer-1", ALLOWED_PRIVATE_NETWORKS="127.0.0.0/8")
        worker = await started.worker("worker-1", balancer)
        await balancer.until_ready_workers(1)
        assert "worker-1" in (await slotgrid(balancer, "workers")).out

        called = await slotgrid(balancer, "call", "echo", "value=7", "--mode", "async")
        task_id = called.json["id"]
        followed = await slotgrid(balancer, "tasks", "follow", task_id)
        assert (followed.status, followed.json) == (0, 7)
        shown = await slotgrid(balancer, "tasks", "show", task_id)
        assert "completed" in shown.out
        assert "worker-1" in shown.out

        hook = {"mode": "webhook", "webhook": {"url": told.url}}
        hooked = (await balancer.submit("echo", input={"value": 8}, **hook)).json["id"]
        async with asyncio.timeout(GIVE_UP_S):
            while not (await balancer.get("/tasks", delivery="delivered"))["tasks"]:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert (await slotgrid(balancer, "tasks", "redeliver", hooked)).status == 0
        async with asyncio.timeout(GIVE_UP_S):
            while len(told.received) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

        naps = await slotgrid(balancer, "call", "nap", "seconds=60", "--mode", "async")
        await worker.until_used(1)
        assert (await slotgrid(balancer, "tasks", "cancel", naps.json["id"])).status == 0
        ended = await slotgrid(balancer, "tasks", "follow", naps.json["id"])
        assert ended.status != 0
        assert "cancelled" in ended.said
        again = await slotgrid(balancer, "tasks", "retry", task_id)
        assert again.status == 0
        assert again.json["id"] != task_id

        listed = await slotgrid(balancer, "tasks", "list", "--json")
        states = {task["id"]: task["status"] for task in listed.json["tasks"]}
        assert states[naps.json["id"]] == "cancelled"
        assert len(states) == 4
        missing = await slotgrid(balancer, "tasks", "show", "nobody")
        assert missing.status != 0
        assert "There is no such task" in missing.said
        for node in (balancer, worker):
            await node.until_idle()


async def test_changes_are_shown_by_the_command_line(tmp_path: Path) -> None:
    async with nodes(tmp_path) as started:
        balancer = await started.balancer("balancer-1")
        await started.worker("worker-1", balancer)
        await balancer.until_ready_workers(1)
        showing = asyncio.create_task(slotgrid(balancer, "events", "-n", "3", "--function", "echo"))
        plain = asyncio.create_task(slotgrid(balancer, "events", "-n", "1", "--json"))
        while not (showing.done() and plain.done()):
            assert (await slotgrid(balancer, "call", "echo", "value=7")).status == 0
        shown = (await showing).out.splitlines()
        assert len(shown) == 3
        assert all(" echo " in line for line in shown)
        assert any("completed" in line and "worker-1 default[0]" in line for line in shown)
        assert (await plain).json["data"]["function"] == "echo"
