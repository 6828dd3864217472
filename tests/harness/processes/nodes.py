"""Balancers as processes of their own, that can be killed."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import ClientSession

from tests.harness.calls import GIVE_UP_S, Answer, Calls, a_caller
from tests.harness.environment import KEY
from tests.harness.function_files import write_functions
from tests.harness.processes.process import Process
from tests.harness.processes.starting import start_node, url_of


class Node(Calls):
    """A node that runs on its own, and a caller that has its key."""

    def __init__(self, name: str, process: Process, url: str, caller: ClientSession) -> None:
        self.name = name
        self.process = process
        self.url = url
        self.caller = caller

    async def request(self, method: str, path: str, **asked: Any) -> Answer:
        async with self.caller.request(method, self.url + path, **asked) as response:
            return Answer(response.status, dict(response.headers), await response.read())

    async def submit_keyed(self, key: str) -> Answer:
        """The answer to a durable task of this `Idempotency-Key`."""
        body = {"function": "echo", "mode": "async", "input": {"value": key}}
        return await self.request("POST", "/task", json=body, headers={"Idempotency-Key": key})

    async def until_ready_workers(self, count: int) -> None:
        """Return when the balancer takes so many workers for ready."""
        async with asyncio.timeout(GIVE_UP_S):
            while (await self.get("/workers", status="ready"))["total"] != count:  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    async def until_used(self, used: int) -> None:
        """Return when so many slots of the node are used, by its own account."""
        async with asyncio.timeout(GIVE_UP_S):
            while (await self.get("/health"))["slots"]["used"] != used:  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    async def until_idle(self) -> None:
        """Return when no slot is used; assert that its counts agree with each other."""
        await self.until_used(0)
        metrics = (await self.request("GET", "/metrics")).body.decode()
        assert "slotgrid_slot_mismatch 0.0" in metrics


class Nodes:
    """Starts nodes in folders below one; what is left of them at the end is killed."""

    def __init__(self, folder: Path, caller: ClientSession) -> None:
        self._folder = folder
        self._caller = caller
        self._started: list[Process] = []

    async def balancer(self, name: str, **env: object) -> Node:
        """A balancer that listens."""
        return await self._start("balancer", name, env)

    async def worker(self, name: str, *balancers: Node, **env: object) -> Node:
        """A worker that dials these balancers."""
        functions = self._folder / "functions"
        write_functions(functions)
        own = {
            "FUNCTIONS_DIR": functions,
            "BALANCER_URL": ",".join(balancer.url for balancer in balancers),
        }
        return await self._start("worker", name, {**own, **env})

    async def _start(self, kind: str, name: str, env: Mapping[str, object]) -> Node:
        process = start_node(kind, name, self._folder / name, **env)
        return self.adopt(name, process, await url_of(kind, process))

    def adopt(self, name: str, process: Process, url: str) -> Node:
        """A node that was started in another way."""
        self._started.append(process)
        return Node(name, process, url, self._caller)

    def end(self) -> None:
        for process in self._started:
            if process.runs:
                process.kill()


@asynccontextmanager
async def nodes(folder: Path) -> AsyncIterator[Nodes]:
    """A place to start nodes from."""
    async with AsyncExitStack() as stack:
        caller = await stack.enter_async_context(a_caller(None, KEY, give_up_s=GIVE_UP_S))
        started = Nodes(folder, caller)
        stack.callback(started.end)
        yield started
