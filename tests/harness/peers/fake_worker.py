"""A worker that says what a test has it say: what honest ones never would."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from aiohttp import ClientSession

from slotgrid.wire import link_sockets
from slotgrid.wire import messages as m
from slotgrid.wire.encoding import from_balancer
from slotgrid.wire.link import Link
from slotgrid.wire.link_ending import LinkEnding
from slotgrid.wire.message_parts import FunctionInfo, System
from tests.harness.environment import LINK_KEY
from tests.harness.in_process.balancer import RunningBalancer

ECHO = FunctionInfo(
    name="echo",
    description="Gives back what it is given.",
    kind="python",
    revision="1",
    input={"type": "object"},
    modes=("sync", "stream", "webhook", "async"),
    timeout_s=30,
)


class FakeWorker:
    """One link to a balancer. `on_task` is what it does with a task; nothing, by default."""

    def __init__(self, link: Link[m.FromBalancer], name: str, slots: int) -> None:
        self.link = link
        self.name = name
        self.slots = slots
        self.heard: list[Any] = []
        self.on_task: Callable[[m.TaskMessage], None] = lambda _: None
        self.welcomed = asyncio.Event()
        self.ended: asyncio.Task[LinkEnding] | None = None
        self._seq = 0

    def receive(self, message: object) -> None:
        self.heard.append(message)
        if isinstance(message, m.Welcome):
            self.welcomed.set()
        if isinstance(message, m.TaskMessage):
            self.on_task(message)

    def seq(self) -> int:
        self._seq += 1
        return self._seq

    def report(self, free: int | None = None) -> m.Report:
        free = self.slots if free is None else free
        return m.Report(
            seq=self.seq(),
            status="ready",
            free={"default": free},
            used=self.slots - free,
            system=System(),
        )

    def hello(self, **other: Any) -> m.Hello:
        terms: dict[str, Any] = {
            "protocol": m.PROTOCOL,
            "version": "0",
            "name": self.name,
            "boot": uuid4().hex,
            "group": "default",
            "contract": 1,
            "slots": self.slots,
            "pools": {"default": self.slots},
            "functions": (ECHO,),
            "report": self.report(),
        }
        return m.Hello(**(terms | other))

    def start(self, task: m.TaskMessage) -> None:
        """Say that a task has started, in one of slots that are never used up."""
        free = {"default": self.slots}
        self.link.send(m.Started(id=task.id, slot=0, free=free, seq=self.seq()), lane=task.id)

    def refuse(self, task: m.TaskMessage) -> None:
        self.link.send(m.Refused(id=task.id, kind="busy", reason="no"), lane=task.id)


@asynccontextmanager
async def fake_worker(
    balancer: RunningBalancer,
    name: str = "fake",
    *,
    slots: int = 4,
    welcome: bool = True,
    **hello: Any,
) -> AsyncIterator[FakeWorker]:
    """A fake that has dialled in; welcomed, unless the test wants to see it refused."""
    async with ClientSession() as session:
        link = await link_sockets.dial(session, balancer.url, LINK_KEY, from_balancer())
        worker = FakeWorker(link, name, slots)
        worker.ended = asyncio.create_task(link.run(worker.receive))
        link.send(worker.hello(**hello))
        try:
            if welcome:
                async with asyncio.timeout(10):
                    await worker.welcomed.wait()
            yield worker
        finally:
            worker.ended.cancel()
            await asyncio.wait({worker.ended})
