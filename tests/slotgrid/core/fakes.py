"""Parts that stand where a worker's own would stand, and do what the test tells them."""

import asyncio
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from slotgrid.core.dispatcher import Dispatcher, LeaseRequest
from slotgrid.core.errors import FunctionFailed, ServiceError
from slotgrid.core.event_log import Event
from slotgrid.core.gates import Gates
from slotgrid.core.lease import STARTED, Lease, class_of
from slotgrid.core.observer import Observer
from slotgrid.core.placement import Placement, Runners
from slotgrid.core.priority_queue import TaskQueue
from slotgrid.core.runner import AttemptFailed, Refused
from slotgrid.core.schema import Schema
from slotgrid.core.slots import Slots
from slotgrid.core.spec import FunctionSpec
from slotgrid.core.submission import Submission
from slotgrid.core.supervisor import Supervisor
from slotgrid.core.task import Task
from slotgrid.core.task_states import TaskState

ANY_OBJECT = Schema({"type": "object"})
PLAIN = FunctionSpec(
    name="plain",
    description="Does what the test says.",
    kind="python",
    group="default",
    contract=1,
    revision="r1",
    input=ANY_OBJECT,
    output=None,
    modes=("sync", "stream"),
    timeout_s=30.0,
)


class ManualClock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


class FakeCatalog:
    """The functions that the test wants to exist."""

    def __init__(self, *specs: FunctionSpec) -> None:
        self._specs = {spec.name: spec for spec in specs}
        self.version = 1

    def find(
        self, name: str, group: str | None = None, contract: int | None = None
    ) -> FunctionSpec | None:
        spec = self._specs.get(name)
        if spec is None or group not in {None, spec.group}:
            return None
        return spec if contract in {None, spec.contract} else None

    def specs(self) -> Sequence[FunctionSpec]:
        return list(self._specs.values())

    def fault_of(self, name: str) -> str:
        return ""

    def put(self, spec: FunctionSpec) -> None:
        self._specs[spec.name] = spec

    def remove(self, name: str) -> None:
        del self._specs[name]


class ScriptedRunner:
    """Each run waits until the test ends it; `on_the_spot` ends the next runs without waiting."""

    def __init__(self) -> None:
        self.running: dict[str, asyncio.Future[bytes]] = {}
        self.cleaning: dict[str, asyncio.Future[None]] = {}
        self.cleans = False
        self.on_the_spot: deque[bytes | Exception] = deque()
        self.runs: Counter[str] = Counter()
        self.order: list[str] = []
        self._started: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

    async def run(self, task: Task, lease: Lease | None = None) -> bytes:
        self.runs[task.id] += 1
        self.order.append(task.id)
        self._started[task.id].set()
        if lease is not None:
            lease.move_to(STARTED)
        if self.on_the_spot:
            outcome = self.on_the_spot.popleft()
            if isinstance(outcome, Exception):
                raise outcome
            return outcome
        self.running[task.id] = asyncio.get_running_loop().create_future()
        try:
            return await self.running[task.id]
        finally:
            del self.running[task.id]
            self._started[task.id].clear()

    def clean(self, task: Task, lease: Lease) -> Coroutine[Any, Any, None] | None:
        return self._clean(task) if self.cleans else None

    async def _clean(self, task: Task) -> None:
        # A task that was refused may end in another slot while the first one is still cleaned.
        done = self.cleaning.setdefault(task.id, asyncio.get_running_loop().create_future())
        try:
            await asyncio.shield(done)
        finally:
            self.cleaning.pop(task.id, None)

    async def started(self, task: Task) -> None:
        """Return when a run of the task is under way."""
        await self._started[task.id].wait()

    def finish(self, task: Task, result: bytes = b'"ok"') -> None:
        self.running[task.id].set_result(result)

    def fail(self, task: Task, *, retryable: bool = False) -> None:
        self.end(task, AttemptFailed(FunctionFailed("it failed"), retryable=retryable))

    def refuse(self, task: Task) -> None:
        self.end(task, Refused())

    def end(self, task: Task, error: Exception) -> None:
        self.running[task.id].set_exception(error)


class RecordingObserver(Observer):
    """Remembers what it is told, in order: (what, id of the task)."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []
        self.defects: list[Exception] = []
        self.delays_s: list[float] = []
        self.breaks_on: str | None = None

    def accepted(self, task: Task) -> None:
        self._note("accepted", task)

    def started(self, task: Task) -> None:
        self._note("started", task)

    def will_retry(self, task: Task, error: ServiceError, delay_s: float) -> None:
        self.delays_s.append(delay_s)
        self._note("will_retry", task)

    def finished(self, task: Task) -> None:
        self._note("finished", task)

    def defect(self, task: Task, error: Exception) -> None:
        self.defects.append(error)
        self._note("defect", task)

    def count(self, what: str, task: Task) -> int:
        return self.seen.count((what, task.id))

    def _note(self, what: str, task: Task) -> None:
        self.seen.append((what, task.id))
        if what == self.breaks_on:
            raise RuntimeError(f"the observer broke on {what}")


class Naps:
    """Sleeps of the supervisor that end when the test wakes them."""

    def __init__(self) -> None:
        self.sleeping: list[asyncio.Future[None]] = []

    async def __call__(self, _: float) -> None:
        nap: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.sleeping.append(nap)
        try:
            await nap
        finally:
            self.sleeping.remove(nap)

    def wake(self, index: int = 0) -> None:
        if not self.sleeping[index].done():
            self.sleeping[index].set_result(None)


@dataclass
class FakeNode:
    """The whole core, wired as a worker wires it."""

    catalog: FakeCatalog
    slots: Slots
    queue: Any  # TaskQueue of the dispatcher's own, private item
    gates: Gates
    dispatcher: Dispatcher
    runner: ScriptedRunner
    observer: RecordingObserver
    supervisor: Supervisor
    naps: Naps
    services_down: set[str]
    clock: Callable[[], float]

    def task(self, spec: FunctionSpec = PLAIN, **fields: Any) -> Task:
        """A task as admission would make it."""
        submission = Submission.parse({"function": spec.name} | fields)
        return Task(submission, spec, owner="tester", input=dict(submission.input))

    def submit(self, spec: FunctionSpec = PLAIN, **fields: Any) -> Task:
        task = self.task(spec, **fields)
        self.supervisor.start(task)
        return task

    async def running(self, spec: FunctionSpec = PLAIN, **fields: Any) -> Task:
        """A new task whose run is under way."""
        task = self.submit(spec, **fields)
        await self.runner.started(task)
        return task

    async def waiting(self, spec: FunctionSpec = PLAIN, **fields: Any) -> Task:
        """A new task that stands in the queue."""
        task = self.submit(spec, **fields)
        await until(lambda: self.dispatcher.position(task) > 0)
        return task

    async def take(self, spec: FunctionSpec = PLAIN) -> Lease:
        """A slot taken by nobody in particular."""
        lease = self.dispatcher.take_now(class_of(self.task(spec)))
        assert lease is not None
        return lease

    def assert_nothing_leaked(self) -> None:
        assert self.dispatcher.leased == 0
        assert self.slots.used == 0
        assert self.dispatcher.waiting == 0
        assert self.supervisor.cleaning == 0
        assert not self.supervisor.live
        assert not self.runner.running
        assert not self.naps.sleeping
        assert {pool.free for pool in self.slots.pools.values()} == {
            pool.size for pool in self.slots.pools.values()
        }


def make_node(
    *specs: FunctionSpec,
    pools: Mapping[str, int] | None = None,
    persistent: Collection[str] = (),
    queue_limits: Mapping[str, int] | None = None,
    queue_limit: int = 1000,
    max_wait_s: float = 3600.0,
    clock: Callable[[], float] | None = None,
) -> FakeNode:
    """A node of one slot, unless `pools` says otherwise; no wait ends by itself."""
    clock = clock or ManualClock()
    catalog = FakeCatalog(PLAIN, *specs)
    slots = Slots(
        pools or {"default": 1},
        worker="w1",
        persistent=persistent,
        queue_limits=queue_limits or {},
    )
    queue: Any = TaskQueue(limit=queue_limit, ageing_s=30.0)
    services_down: set[str] = set()
    gates = Gates(catalog, lambda service: service not in services_down, clock=clock)
    dispatcher = Dispatcher(queue, slots, gates, clock=clock)
    runner, observer, naps = ScriptedRunner(), RecordingObserver(), Naps()
    runners = Runners(runner)
    runners.slotless["flow"] = runner
    placement = Placement(dispatcher, node="w1")
    supervisor = Supervisor(placement, runners, observer, max_wait_s=max_wait_s, sleep=naps)
    return FakeNode(
        catalog,
        slots,
        queue,
        gates,
        dispatcher,
        runner,
        observer,
        supervisor,
        naps,
        services_down,
        clock,
    )


def function(name: str, **fields: Any) -> FunctionSpec:
    """A function that differs from PLAIN in what is given."""
    return replace(PLAIN, name=name, **fields)


FLOW = function("flow", kind="flow", needs_slot=False, retries=1)
TWICE_IS_SAFE = function("twice_is_safe", retries=1)


def terminal_events(task: Task) -> list[Event]:
    return [event for event in task.events.after(0) if event.terminal]


async def turns(count: int) -> None:
    """Let the loop do what is due, for tests that something does not happen."""
    for _ in range(count):
        await asyncio.sleep(0)


async def until(condition: Callable[[], bool], *, turns: int = 100) -> None:
    """Turn the loop until the condition holds; what is due needs few turns and no time."""
    for _ in range(turns):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it did not come true")


async def ended(node: FakeNode, task: Task, state: TaskState) -> None:
    """Wait for the end, then check that it was one, and that nothing is left of the task."""
    await task.wait_finished()
    await node.supervisor.wait_idle()
    assert task.state is state
    assert node.observer.count("finished", task) == 1
    (last,) = terminal_events(task)
    assert last.id == task.events.last_id
    assert last.kind == ("done" if state is TaskState.COMPLETED else "error")
    node.assert_nothing_leaked()


async def ended_with_others(node: FakeNode, task: Task, error: type[Exception]) -> None:
    """Wait for the end of a task while others go on."""
    await task.wait_finished()
    assert isinstance(task.error, error)
    assert len(terminal_events(task)) == 1


async def hold(request: LeaseRequest) -> Lease:
    """A lease that its taker gives back by hand."""
    return await request.__aenter__()


def wait_for(node: FakeNode, task: Task, wait_s: float | None = None) -> "asyncio.Task[Lease]":
    until = None if wait_s is None else time.monotonic() + wait_s
    return asyncio.create_task(hold(node.dispatcher.lease(task, wait_until=until)))


async def queued(node: FakeNode, task: Task) -> Any:
    """The task's entry, once it waits."""
    await until(lambda: node.dispatcher.position(task) > 0)
    return next(entry for entry in node.queue.entries() if entry.item.task is task)
