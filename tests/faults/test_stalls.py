"""A process that stands still for seconds and goes on: its callers wait, and none is refused."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.harness.calls import GIVE_UP_S, events_of
from tests.harness.peers.receivers import Receiver, receiver
from tests.harness.processes.nodes import Node, nodes

pytestmark = pytest.mark.timeout(600)  # several processes, and on a busy machine
STALL_S = 4.0
"""Longer than three heartbeats, after which a silent peer is lost."""


class Fleet:
    """A balancer and its one worker, each a process, and what receives webhooks."""

    def __init__(self, balancer: Node, worker: Node, hook: Receiver) -> None:
        self.balancer = balancer
        self.worker = worker
        self.hook = hook

    async def every_mode(self) -> None:
        """A call in each mode and by each way in; each goes well."""
        async with asyncio.TaskGroup() as group:
            for call in (self._sync, self._by_path, self._stream, self._durable, self._batch):
                _ = group.create_task(call())

    async def stall(self, node: Node) -> None:
        node.process.send(signal.SIGSTOP)
        await asyncio.sleep(STALL_S)
        node.process.send(signal.SIGCONT)

    async def until_lost(self) -> None:
        async with asyncio.timeout(GIVE_UP_S):
            while (await self._status()) != "lost":  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    async def works_again(self) -> None:
        """Every mode works, and no slot and no right to one is left."""
        await self.balancer.until_ready_workers(1)
        await self.every_mode()
        await self.balancer.until_idle()
        await self.worker.until_idle()

    async def stream(self, function: str, **given: Any) -> list[tuple[str, Any]]:
        body = {"function": function, "input": given, "mode": "stream"}
        async with self.balancer.caller.post(f"{self.balancer.url}/task", json=body) as response:
            return await events_of(response)

    async def _status(self) -> str:
        return str((await self.balancer.get("/workers/worker-1"))["worker"]["status"])

    async def _sync(self) -> None:
        assert await self.balancer.call("echo", value=1) == 1

    async def _by_path(self) -> None:
        answer = await self.balancer.request("POST", "/functions/echo", json={"value": 2})
        assert (answer.status, answer.json["result"]) == (200, 2), answer.body

    async def _stream(self) -> None:
        kind, payload = (await self.stream("echo", value=3))[-1]
        assert (kind, payload["result"]) == ("done", 3)

    async def _durable(self) -> None:
        for fields in ({"mode": "async"}, {"mode": "webhook", "webhook": {"url": self.hook.url}}):
            answer = await self.balancer.submit("echo", input={"value": 4}, **fields)
            assert answer.status == 202, answer.body
            await self._completed(answer.json["id"])

    async def _batch(self) -> None:
        items = [{"function": "echo", "input": {"value": number}} for number in range(3)]
        answer = await self.balancer.request("POST", "/tasks", json={"tasks": items})
        assert answer.status == 202, answer.body
        for accepted in answer.json["tasks"]:
            await self._completed(accepted["id"])

    async def _completed(self, task_id: str) -> None:
        task = (await self.balancer.get(f"/tasks/{task_id}", wait_s="15"))["task"]
        assert task["status"] == "completed", task


@pytest.fixture(params=["dials in", "is listed"])
async def fleet(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Fleet]:
    async def answer(_: web.Request) -> web.Response:
        return web.Response()

    async with receiver(answer) as hook, nodes(tmp_path) as started:
        listed = tmp_path / "workers.json"
        listed.write_text("[]")
        balancer = await started.balancer(
            "balancer", WORKERS_FILE=listed, ALLOWED_PRIVATE_NETWORKS="127.0.0.0/8"
        )
        if request.param == "dials in":
            worker = await started.worker("worker-1", balancer)
        else:
            worker = await started.worker("worker-1")
            partial = tmp_path / "workers.new"
            partial.write_text(json.dumps([{"url": worker.url}]))
            partial.rename(listed)
        await balancer.until_ready_workers(1)
        yield Fleet(balancer, worker, hook)


async def test_callers_of_a_balancer_that_stood_still_are_served(fleet: Fleet) -> None:
    running = asyncio.create_task(fleet.balancer.call("nap", seconds=STALL_S + 2))
    talking = asyncio.create_task(fleet.stream("talk", pieces=40, pause_s=(STALL_S + 2) / 40))
    await fleet.worker.until_used(2)
    stalled = asyncio.create_task(fleet.stall(fleet.balancer))
    await asyncio.sleep(0.1)
    callers = [asyncio.create_task(fleet.every_mode()) for _ in range(3)]
    await stalled
    callers += [asyncio.create_task(fleet.every_mode()) for _ in range(3)]
    await asyncio.gather(*callers)
    assert await running == "rested"
    events = await talking
    assert [kind for kind, _ in events] == ["chunk"] * 40 + ["done"]
    await fleet.works_again()


async def test_callers_that_come_while_the_worker_stands_still_are_served(fleet: Fleet) -> None:
    fleet.worker.process.send(signal.SIGSTOP)
    await fleet.until_lost()
    callers = asyncio.create_task(fleet.every_mode())
    placed = asyncio.create_task(
        fleet.balancer.submit("echo", input={"value": 1}, place={"worker": "worker-1"})
    )
    await asyncio.sleep(0.1)  # they come while it stands still
    fleet.worker.process.send(signal.SIGCONT)
    await callers
    assert (await placed).status == 200
    await fleet.works_again()


async def test_callers_of_a_worker_that_was_killed_are_refused_after_three_heartbeats(
    fleet: Fleet,
) -> None:
    fleet.worker.process.kill()
    await fleet.until_lost()
    at_once = await fleet.balancer.submit("echo", wait_s=0)
    assert (at_once.status, at_once.json["type"]) == (503, "/problems/no-worker")
    for mode in ("sync", "stream", "async"):
        answer = await fleet.balancer.submit("echo", mode=mode)
        assert (answer.status, answer.json["type"]) == (503, "/problems/no-worker")
