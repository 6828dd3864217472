"""A TaskService with the parts of a node around it, and no HTTP."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from slotgrid.core.errors import ServiceError
from slotgrid.core.event_log import Event
from slotgrid.core.offer import LocalOffer
from slotgrid.core.principal import Principal, Scope
from slotgrid.core.slots import Slots
from slotgrid.core.spec import FunctionSpec
from slotgrid.core.submission import Submission
from slotgrid.core.task import Task
from slotgrid.durable.durability import Durability
from slotgrid.records.artifacts import ArtifactStore
from slotgrid.runtime.logs import LogRing
from slotgrid.tasks.event_stream import EventStream, Missed
from slotgrid.tasks.flow_log_stream import FlowLogStream
from slotgrid.tasks.log_stream import LogStream
from slotgrid.tasks.service import TaskService
from tests.harness.calls import GIVE_UP_S
from tests.harness.in_process.functions import OFFERED, CoroutineRunner, ListedCatalog
from tests.harness.in_process.node import NAME, make_node

ADA = Principal("ada", frozenset({Scope.READ, Scope.SUBMIT}))
BOB = Principal("bob", frozenset({Scope.READ, Scope.SUBMIT}))
OPERATOR = Principal("op", frozenset({Scope.READ, Scope.SUBMIT, Scope.OPERATE}))


class PausableOffer(LocalOffer):
    """What a node offers; `refusal` is raised for every submission, as while workers are away."""

    refusal: ServiceError | None = None

    def __init__(self, catalog: ListedCatalog) -> None:
        super().__init__(
            catalog, node=NAME, group="default", contract=1, pools={"default": 1}, labels=()
        )
        self.waits: asyncio.Queue[float] = asyncio.Queue()
        self.back = asyncio.Event()

    def resolve(self, submission: Submission) -> FunctionSpec:
        if self.refusal is not None:
            raise self.refusal
        return super().resolve(submission)

    async def changed(self, within_s: float) -> None:
        self.waits.put_nowait(within_s)
        await self.back.wait()


@dataclass(frozen=True, kw_only=True)
class RunningService:
    """A service whose parts run; `noted` for an audit, `refused` by the name of the problem."""

    tasks: TaskService
    offer: PausableOffer
    runner: CoroutineRunner
    durability: Durability | None
    refused: list[str]
    noted: list[str] = field(default_factory=list)

    def note(self, ids: Any) -> None:
        """For `cancel` and `cancel_many`."""
        self.noted.extend(ids)

    async def running(self, principal: Principal = ADA, **fields: Any) -> "Held":
        """A task of mode sync that runs until `release`, and the caller that waits for it."""
        submission = Submission.parse({"function": "hold"} | fields)

        async def call() -> Task:
            async with self.tasks.start(principal, submission) as started:
                await started.task.wait_finished()
                return started.task

        caller = asyncio.create_task(call())
        return Held(await self.next_started(), caller)

    async def next_started(self) -> Task:
        """The next task that starts."""
        async with asyncio.timeout(GIVE_UP_S):
            return await self.runner.started.get()

    async def ended(self, principal: Principal = ADA, function: str = "greet") -> Task:
        """A task of mode sync that has ended."""
        async with self.tasks.start(principal, Submission(function=function)) as started:
            await started.task.wait_finished()
        await self.next_started()
        return started.task

    async def recorded(self, principal: Principal = ADA, function: str = "greet") -> str:
        """The id of a durable task that has ended and is on record only, as after a restart."""
        submission = Submission.parse({"function": function, "mode": "async"})
        receipt = await self.tasks.submit(principal, submission)
        await self.next_started()
        await self.tasks.wait(principal, receipt.id, GIVE_UP_S)
        self.forget(receipt.id)
        return receipt.id

    def forget(self, task_id: str) -> None:
        """Leave no trace of the task in memory."""
        self.tasks._history.remove(task_id)


@dataclass(frozen=True)
class Held:
    """A task that runs, and its caller."""

    task: Task
    caller: "asyncio.Task[Task]"


@asynccontextmanager
async def running_service(
    *, durable: bool = False, slots: int = 4, queue_limit: int = 100
) -> AsyncIterator[RunningService]:
    """A service that accepts tasks; at the end its tasks are cancelled."""
    with TemporaryDirectory() as folder:
        catalog = ListedCatalog(OFFERED)
        artifacts = ArtifactStore(Path(folder))
        runner = CoroutineRunner(catalog, artifacts)
        offer = PausableOffer(catalog)
        node, durability = make_node(
            catalog=catalog,
            runner=runner,
            artifacts=artifacts,
            slots=Slots({"default": slots}, worker=NAME),
            logs=LogRing(10),
            drains=[],
            queue_limit=queue_limit,
            max_wait_s=30.0,
            data_dir=Path(folder) if durable else None,
            offer=offer,
        )
        refused: list[str] = []
        node.tasks._count_refusal = refused.append
        async with nullcontext() if durability is None else durability.running(node.supervisor):
            yield RunningService(
                tasks=node.tasks,
                offer=offer,
                runner=runner,
                durability=durability,
                refused=refused,
            )
            for task in node.supervisor.live:
                node.supervisor.cancel(task, "the test is over")
            async with asyncio.timeout(GIVE_UP_S):
                await node.supervisor.wait_idle()


async def kinds(stream: EventStream) -> list[str]:
    """The kinds of all events of a stream that ends; `missed` for a gap."""
    return [item.kind if isinstance(item, Event) else "missed" async for item in stream]


async def all_of(stream: EventStream) -> list[Event | Missed]:
    """The items of a stream that ends."""
    return [item async for item in stream]


async def lines(stream: LogStream | FlowLogStream) -> list[tuple[str, bytes]]:
    """The step and the text of each line of a log stream that ends."""
    return [(line.kind, line.payload) async for line in stream]
