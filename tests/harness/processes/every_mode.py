"""What a node must do after every fault of its database, without a restart."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from aiohttp import ClientError, web

from tests.harness.calls import events_of
from tests.harness.peers.receivers import Receiver, receiver
from tests.harness.processes.nodes import Node, Nodes

GIVE_UP_S = 60.0
PRESSURE = 4
"""Callers at once, so that the fault meets reads and writes that are under way."""


@dataclass
class Under:
    """A node, and the callers that it had while something was wrong."""

    node: Node
    told: Receiver
    keys: dict[str, str] = field(default_factory=dict)
    """The answered task by the key of each submission; empty where it was refused."""
    refused: list[Any] = field(default_factory=list)
    """The problems of the refused ones."""

    async def submit(self) -> int:
        """Hand over a durable task with a key; the status of the answer, 0 without one."""
        key = uuid4().hex
        self.keys[key] = ""
        try:
            answer = await self.node.submit_keyed(key)
        except (OSError, ClientError, TimeoutError):
            return 0
        if answer.status == 202:
            self.keys[key] = answer.json["id"]
        else:
            self.refused.append(answer.json)
        return answer.status

    @asynccontextmanager
    async def pressure(self) -> AsyncIterator[None]:
        """Callers submit and list without end."""

        async def call() -> None:
            while True:
                await self.submit()
                await self.node.request("GET", "/tasks", params={"q": "nothing"})
                await asyncio.sleep(0.1)

        callers = [asyncio.create_task(call()) for _ in range(PRESSURE)]
        try:
            await asyncio.sleep(0.5)
            yield
        finally:
            for caller in callers:
                caller.cancel()
            await asyncio.wait(callers)

    async def works_again(self) -> None:
        """Every mode works, and every key stands for one task that runs, once."""
        await self.until_accepting()
        node = self.node
        assert (await node.submit("echo", input={"value": "sync"})).json["result"] == "sync"
        body = {"function": "echo", "input": {"value": "stream"}, "mode": "stream"}
        async with node.caller.post(f"{node.url}/task", json=body) as response:
            assert (await events_of(response))[-1][0] == "done"
        hook = {"mode": "webhook", "webhook": {"url": self.told.url}}
        hooked = await node.submit("echo", input={"value": 1}, **hook)
        assert hooked.status == 202, hooked.body
        assert (await self.ended(hooked.json["id"]))["status"] == "completed"
        await self.until_told(hooked.json["id"])
        again = await asyncio.gather(*map(node.submit_keyed, self.keys))
        for answer, (key, task_id) in zip(again, list(self.keys.items()), strict=True):
            assert answer.status == 202, answer.body
            assert task_id in {"", answer.json["id"]}, "one key, two tasks"
            self.keys[key] = answer.json["id"]
        for task in await asyncio.gather(*map(self.ended, set(self.keys.values()))):
            assert (task["status"], len(task["attempts"])) == ("completed", 1), task
        listed = await node.get("/tasks", status="queued,running")
        assert listed["total"] == 0, listed
        async with asyncio.timeout(GIVE_UP_S):
            # The count of waiting tasks is made exact as soon as nothing changes meanwhile.
            while (health := await node.get("/health"))["durable"] != {  # noqa: ASYNC110
                "waiting": 0,
                "database": "available",
                "reason": None,
            }:
                await asyncio.sleep(0.1)
        assert health["slots"]["used"] == 0

    async def until_accepting(self) -> None:
        """Return when the node accepts durable tasks."""
        async with asyncio.timeout(GIVE_UP_S):
            while await self.submit() != 202:  # noqa: ASYNC110
                await asyncio.sleep(0.1)

    async def ended(self, task_id: str) -> Any:
        """The record of a task that has ended."""
        async with asyncio.timeout(GIVE_UP_S):
            while True:
                path = f"/tasks/{task_id}"
                answer = await self.node.request("GET", path, params={"wait_s": "20"})
                if answer.status == 200 and answer.json["task"]["finished_at"] is not None:
                    return answer.json["task"]
                await asyncio.sleep(0.1)

    async def until_told(self, task_id: str) -> None:
        """Return when the webhook of the task has come."""
        async with asyncio.timeout(GIVE_UP_S):
            while not any(  # noqa: ASYNC110
                request.headers["webhook-id"] == task_id for request in self.told.received
            ):
                await asyncio.sleep(0.02)

    def events(self, name: str) -> list[dict[str, Any]]:
        """The node's log lines of that event."""
        return self.node.process.events(name)


@asynccontextmanager
async def under(started: Nodes, kind: str, folder: Path, **env: object) -> AsyncIterator[Under]:
    """A worker, or a balancer with a worker, whose database is as `env` says."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response()

    own = {"ALLOWED_PRIVATE_NETWORKS": "127.0.0.0/8", **env}
    async with receiver(answer) as told:
        if kind == "worker":
            node = await started.worker("node", **own)
        else:
            node = await started.balancer("node", **own)
            await started.worker("worker-1", node)
            await node.until_ready_workers(1)
        yield Under(node, told)
