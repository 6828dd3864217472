"""A balancer and its workers, each a process of its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.load import ask, get
from bench.processes import KEY, START_S, Server, balancer, worker

FUNCTIONS = Path(__file__).parent.parent / "functions"
NO_BROWSER = "/nonexistent/chromium"
"""No task here opens a page, and a Chromium for each worker would only load the machine."""


@dataclass(frozen=True)
class RunningFleet:
    """The servers of a running fleet."""

    balancer: Server
    workers: list[Server]
    slots: int
    """Slots of each worker."""

    @property
    def total_slots(self) -> int:
        """Slots of all workers."""
        return self.slots * len(self.workers)


@asynccontextmanager
async def fleet(
    folder: Path, *, workers: int, slots: int, **settings: str
) -> AsyncIterator[RunningFleet]:
    """A balancer and its workers, which have dialled in and are ready; `settings` are for all."""
    async with AsyncExitStack() as stack:
        node = await stack.enter_async_context(balancer(folder / "balancer", **settings))

        def started(number: int) -> "asyncio.Future[Server]":
            context = worker(
                folder / f"worker {number}",
                FUNCTIONS,
                slots=slots,
                name=f"worker-{number}",
                BALANCER_URL=f"http://127.0.0.1:{node.port}",
                BALANCER_KEY=KEY,
                CHROMIUM_PATH=NO_BROWSER,
                MEMORY_LIMIT_PERCENT="100",
                **settings,
            )
            return asyncio.ensure_future(stack.enter_async_context(context))

        servers = await asyncio.gather(*map(started, range(workers)))
        await until_ready(node, workers)
        yield RunningFleet(node, servers, slots)


async def until_ready(node: Server, workers: int) -> None:
    """Wait until the balancer lists that many ready workers."""
    ready = get("/workers?status=ready&limit=1")
    async with asyncio.timeout(START_S):
        while (await ask(node, ready))["total"] < workers:  # noqa: ASYNC110  another process
            await asyncio.sleep(0.1)
