"""Slotgrid itself: real queue, dispatcher, fleet and routing; clock and network are simulated."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from balancer.fleet.fleet import Fleet
from balancer.fleet.worker import Counts
from bench.simulation.jobs import Job
from bench.simulation.policies import REPORT_EVERY_S
from bench.simulation.virtual_loop import VirtualLoop
from slotgrid.core.dispatcher import Dispatcher
from slotgrid.core.gates import Gates
from slotgrid.core.priority_queue import TaskQueue
from slotgrid.core.schema import Schema
from slotgrid.core.slots import Slot
from slotgrid.core.spec import FunctionSpec
from slotgrid.core.submission import Submission
from slotgrid.core.task import Task
from slotgrid.wire.message_parts import System
from slotgrid.wire.messages import PROTOCOL, Hello, Report, Started

POOL = "default"
FUNCTION = FunctionSpec(
    name="work",
    description="",
    kind="python",
    group="default",
    contract=1,
    revision="1",
    input=Schema({"type": "object"}),
    output=None,
    modes=("sync",),
    timeout_s=3600.0,
)
SUBMISSION = Submission(function="work")


def hello(name: str, slots: int, report: Report, **labels: str) -> Hello:
    """The first message of a worker."""
    return Hello(
        protocol=PROTOCOL,
        version="",
        name=name,
        boot="1",
        group="default",
        contract=1,
        slots=slots,
        pools={POOL: slots},
        labels=labels,
        report=report,
    )


def report(seq: int, free: int, *, cpu_percent: float = 0.0) -> Report:
    """A report of a worker with that many free slots."""
    system = System(cpu_percent=cpu_percent)
    return Report(seq=seq, status="ready", free={POOL: free}, used=0, system=system)


def counts(seq: int, free: int) -> Counts:
    """Any other message with a count."""
    return Started(id="", slot=0, seq=seq, free={POOL: free})


@dataclass(frozen=True)
class Network:
    """Latency in seconds: of a task to its worker, and of a worker's message to the balancer."""

    dispatch_s: float = 0.0
    report_s: float = 0.0

    @property
    def idle_s(self) -> float:
        """How long a slot is idle, at least, between a task and the next waiting one."""
        return self.dispatch_s + self.report_s


@dataclass
class Outcome:
    """The wait of each job for its start on a slot, its way to the worker included."""

    waits: list[float]
    refused: int = 0


class SimulatedWorker:
    """A worker with correct reports: a task takes a slot on arrival, and frees it at its end."""

    def __init__(self, name: str, slots: int, node: "SimulatedBalancer") -> None:
        self._node = node
        self._loop = node.loop
        self._free = slots
        self._seq = 0
        self._link = node.fleet.joined(hello(name, slots, self._report()), [FUNCTION])

    def receive(self, slot: Slot, job: Job, ended: "asyncio.Future[bool]", wait: int) -> None:
        """Start the task that has arrived, or refuse it."""
        if self._free == 0:
            self._say(lambda: self._refused(slot, ended))
            return
        self._free -= 1
        self._node.outcome.waits[wait] = self._loop.time() - job.at
        counts = self._counts()
        self._say(lambda: self._node.fleet.started(slot, counts))
        self._loop.call_later(job.service_s, self._end, slot, ended)

    def report(self) -> None:
        """Send a report, even without a change."""
        report = self._report()
        self._say(lambda: self._node.fleet.reported(self._link, report))

    def _end(self, slot: Slot, ended: "asyncio.Future[bool]") -> None:
        self._free += 1
        counts = self._counts()
        self._say(lambda: self._ended(slot, counts, ended))

    def _ended(self, slot: Slot, counts: Counts, ended: "asyncio.Future[bool]") -> None:
        self._node.fleet.ended(slot, counts)
        ended.set_result(True)

    def _refused(self, slot: Slot, ended: "asyncio.Future[bool]") -> None:
        self._node.outcome.refused += 1
        self._node.fleet.refused(slot, "busy")
        ended.set_result(False)

    def _say(self, what: Any) -> None:
        def arrives() -> None:
            what()
            self._node.dispatcher.wake()

        self._loop.call_later(self._node.network.report_s, arrives)

    def _counts(self) -> Counts:
        self._seq += 1
        return counts(self._seq, self._free)

    def _report(self) -> Report:
        self._seq += 1
        return report(self._seq, self._free)


class SimulatedBalancer:
    """The core of a balancer, wired as in its process, with workers across a network."""

    def __init__(self, *, workers: int, slots: int, network: Network, jobs: int) -> None:
        loop = asyncio.get_running_loop()
        self.loop = loop
        self.network = network
        self.outcome = Outcome([0.0] * jobs)
        self.fleet = Fleet(clock=loop.time, chance=random.Random(1).random)
        self.dispatcher = Dispatcher(
            TaskQueue(limit=jobs, ageing_s=30.0),
            self.fleet,
            Gates(self.fleet.roster, lambda _: True, clock=loop.time),
            clock=loop.time,
        )
        self._workers = {
            name: SimulatedWorker(name, slots, self)
            for name in (f"w{number}" for number in range(workers))
        }

    async def run(self, jobs: Sequence[Job]) -> Outcome:
        """Let the jobs arrive; wait until all have ended and nothing has leaked."""
        reports = asyncio.create_task(self._report())
        async with asyncio.TaskGroup() as group:
            for number, job in enumerate(jobs):
                await asyncio.sleep(job.at - self.loop.time())
                group.create_task(self._see_through(number, job))
        reports.cancel()
        assert self.dispatcher.leased == self.fleet.in_flight == 0
        return self.outcome

    async def _see_through(self, number: int, job: Job) -> None:
        task = Task(SUBMISSION, FUNCTION, owner="bench", input={})
        task.queued_mono = job.at
        ended = False
        while not ended:  # once more if the worker refuses it
            async with self.dispatcher.lease(task, wait_until=None) as lease:
                answer: asyncio.Future[bool] = self.loop.create_future()
                worker = self._workers[lease.slot.worker]
                delay_s = self.network.dispatch_s
                self.loop.call_later(delay_s, worker.receive, lease.slot, job, answer, number)
                ended = await answer

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(REPORT_EVERY_S)
            for worker in self._workers.values():
                worker.report()


def simulate(jobs: Sequence[Job], *, workers: int, slots: int, network: Network) -> Outcome:
    """The wait of each job, at `workers` workers of `slots` slots."""

    async def run() -> Outcome:
        balancer = SimulatedBalancer(workers=workers, slots=slots, network=network, jobs=len(jobs))
        return await balancer.run(jobs)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(run())
