"""`BALANCER_URL=… WORKERS=1000 python -m bench.balancing.crowd`: fake workers, which only report.

They use the real protocol over real WebSockets, without slots or functions. Each reports every
second, each time with a new load and new free slots; a task would be refused.
"""

import asyncio
import os
import random
from uuid import uuid4

import uvloop
from aiohttp import ClientSession, TCPConnector

from bench.processes import KEY
from slotgrid.wire.encoding import from_balancer
from slotgrid.wire.limits import REPORT_EVERY_S
from slotgrid.wire.link import Link
from slotgrid.wire.link_sockets import dial
from slotgrid.wire.message_parts import FunctionInfo, System
from slotgrid.wire.messages import PROTOCOL, FromBalancer, Hello, Refused, Report, TaskMessage

SLOTS = 4
DIALS_AT_ONCE = 20
FUNCTION = FunctionInfo(
    name="work",
    description="",
    kind="python",
    revision="1",
    input={"type": "object"},
    modes=("sync",),
    timeout_s=30,
)


class FakeWorker:
    """One link and its reports."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._chance = random.Random(number)
        self._seq = 0

    async def stay(self, session: ClientSession, url: str, dialling: asyncio.Semaphore) -> None:
        """Dial, send `hello`, and report until the link ends."""
        async with dialling:
            link = await dial(session, url, KEY, from_balancer())
        link.send(self._hello())

        def receive(message: object) -> None:
            if isinstance(message, TaskMessage):
                link.send(Refused(id=message.id, kind="busy", reason="nobody works here"))

        async with asyncio.TaskGroup() as group:
            reporting = group.create_task(self._keep_reporting(link))
            await link.run(receive)
            reporting.cancel()

    async def _keep_reporting(self, link: Link[FromBalancer]) -> None:
        await asyncio.sleep(self._chance.uniform(0, REPORT_EVERY_S))  # spread over the interval
        while True:
            link.send(self._report())
            await asyncio.sleep(REPORT_EVERY_S)

    def _report(self) -> Report:
        self._seq += 1
        free = self._chance.randint(0, SLOTS)
        load = self._chance.uniform(0, 100)
        return Report(
            seq=self._seq,
            status="ready",
            free={"default": free},
            used=SLOTS - free,
            system=System(cpu_percent=load, memory_percent=50.0, memory_bytes=10**8),
        )

    def _hello(self) -> Hello:
        return Hello(
            protocol=PROTOCOL,
            version="0",
            name=f"fake-{self._number}",
            boot=uuid4().hex,
            group="default",
            contract=1,
            slots=SLOTS,
            pools={"default": SLOTS},
            functions=(FUNCTION,),
            report=self._report(),
        )


async def run(url: str, workers: int) -> None:
    """Run all workers, until one link ends or the process is stopped."""
    dialling = asyncio.Semaphore(DIALS_AT_ONCE)
    async with (
        ClientSession(connector=TCPConnector(limit=0)) as session,
        asyncio.TaskGroup() as all_,
    ):
        for number in range(workers):
            all_.create_task(FakeWorker(number).stay(session, url, dialling))


if __name__ == "__main__":
    uvloop.run(run(os.environ["BALANCER_URL"], int(os.environ["WORKERS"])))
