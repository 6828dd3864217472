"""A node as a server on a free port, of real parts; its functions need no browser."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from aiohttp import ClientResponse, ClientTimeout, web
from aiohttp.test_utils import TestClient, TestServer
from pytest_aiohttp.plugin import AiohttpClient

from slotgrid.core.admission import Admission
from slotgrid.core.dispatcher import Dispatcher
from slotgrid.core.event_log import Reader
from slotgrid.core.fields import Mode
from slotgrid.core.gates import Gates
from slotgrid.core.node_state import NodeState, NodeStatus
from slotgrid.core.observer import Observers
from slotgrid.core.offer import LocalOffer, Offer
from slotgrid.core.placement import Placement
from slotgrid.core.priority_queue import TaskQueue
from slotgrid.core.slots import Slots
from slotgrid.core.supervisor import Supervisor
from slotgrid.core.task import Task
from slotgrid.durable.durability import Durability
from slotgrid.durable.durable_tasks import DurableTasks
from slotgrid.durable.recorded_runner import DurableTurns, RecordedRunner
from slotgrid.intake.api.docs import add_docs
from slotgrid.intake.app import make_app
from slotgrid.intake.cors import add_cors
from slotgrid.intake.node_parts import Node
from slotgrid.intake.server_connections import NodeRunner
from slotgrid.net.addresses import AddressPolicy
from slotgrid.records.artifacts import ArtifactStore
from slotgrid.records.history import History
from slotgrid.records.task_repository import TaskRepository
from slotgrid.records.task_telemetry import TaskTelemetry
from slotgrid.runtime.logs import LogRing, configure_logs
from slotgrid.runtime.metrics import CONTENT_TYPE, GaugeReadings, Metrics
from slotgrid.runtime.secrets import Redactor
from slotgrid.runtime.setting_choices import LogFormat, LogLevel
from slotgrid.runtime.settings import Settings
from slotgrid.tasks.feed import TaskFeed
from slotgrid.tasks.service import TaskService
from slotgrid.users.users import Users
from tests.harness.calls import GIVE_UP_S
from tests.harness.environment import KEY
from tests.harness.in_process.checked_answers import check_answers, frames
from tests.harness.in_process.functions import OFFERED, CoroutineRunner, ListedCatalog, Offered

NAME = "test-node"


Client = TestClient[Any, None]


class NodeServer(TestServer):
    """Serves an application as the process of a node does."""

    async def _make_runner(self, **_: Any) -> NodeRunner:
        return NodeRunner(self.app, shutdown_timeout_s=0.2)


@dataclass(frozen=True, kw_only=True)
class RunningNode:
    """A node that listens at `url`. `caller` shows its key with each request, `stranger` none."""

    url: str
    node: Node
    app: web.Application
    catalog: ListedCatalog
    runner: CoroutineRunner
    slots: Slots
    durability: Durability | None
    caller: Client
    stranger: Client
    drains: list[float | None] = field(default_factory=list)

    @property
    def history(self) -> History:
        """Live and recent tasks."""
        return self.node.tasks._history

    @property
    def repository(self) -> TaskRepository:
        """Every task, in memory or on record."""
        return self.node.tasks._repository

    @property
    def durable(self) -> DurableTasks:
        """The durable tasks of a node with a database."""
        assert self.durability is not None
        return self.durability.tasks

    @property
    def tasks(self) -> list[Task]:
        """The tasks that have not ended."""
        return list(self.node.supervisor.live)

    async def submit(self, function: str, input_: object = None, **fields: Any) -> Any:
        """The answer of a task that goes well."""
        body = {"function": function, "input": input_ or {}, **fields}
        async with self.caller.post("/task", json=body) as response:
            assert response.status == 200, await response.text()
            return await response.json()

    async def get(self, path: str, **params: str) -> Any:
        """The JSON at a path that is there."""
        async with self.caller.get(path, params=params) as response:
            assert response.status == 200, await response.text()
            return await response.json()

    async def problem(self, method: str, path: str, **asked: Any) -> dict[str, Any]:
        """The problem that a request is answered with."""
        async with self.caller.request(method, path, **asked) as response:
            return await problem_of(response)

    async def running_task(self) -> Task:
        """The next task that starts, as soon as it has said something."""
        async with asyncio.timeout(GIVE_UP_S):
            task = await self.runner.started.get()
            async with Reader(task.events) as reader:
                await reader.next()
        return task

    @asynccontextmanager
    async def unread(
        self, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> AsyncIterator[asyncio.StreamReader]:
        """The answer to a request, of which nothing is read but by the test."""
        host, port = self.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port), limit=64 * 1024)
        sent = json.dumps(body or {}).encode()
        lines = [
            f"{method} {path} HTTP/1.1",
            "Host: test",
            "Connection: close",
            "Content-Type: application/json",
            f"Authorization: {KEY}",
            f"Content-Length: {len(sent)}",
        ]
        writer.write("\r\n".join([*lines, "", ""]).encode() + sent)
        try:
            yield reader
        finally:
            writer.transport.abort()

    async def queued(self, count: int = 1) -> None:
        """Return when so many tasks wait."""
        async with asyncio.timeout(GIVE_UP_S):
            while self.node.dispatcher.waiting < count:  # noqa: ASYNC110  the queue tells nobody
                await asyncio.sleep(0.001)

    async def idle(self) -> None:
        """Return when every task has ended and its slot is back."""
        async with asyncio.timeout(GIVE_UP_S):
            await self.node.supervisor.wait_idle()
        assert self.node.dispatcher.leased == self.slots.used == self.node.dispatcher.waiting == 0


async def problem_of(response: ClientResponse) -> dict[str, Any]:
    """The problem in an answer, which its status agrees with."""
    assert response.content_type == "application/problem+json", await response.text()
    problem: dict[str, Any] = await response.json(content_type=None)
    assert problem["status"] == response.status
    return problem


async def events_of(response: ClientResponse) -> list[dict[str, Any]]:
    """Every event of a server-sent stream, `{id, event, data}`, when it has ended."""
    assert response.status == 200, await response.text()
    assert response.content_type == "text/event-stream"
    return list(frames(await response.read()))


@asynccontextmanager
async def running_node(
    aiohttp_client: AiohttpClient,
    *more: Offered,
    offered: Sequence[Offered] = OFFERED,
    slots: int = 2,
    queue_limit: int = 100,
    max_wait_s: float = 30.0,
    body_limit: int = 1024 * 1024,
    docs_enabled: bool = True,
    docs_public: bool = True,
    root_path: str = "",
    metrics_public: bool = False,
    cors_origins: Collection[str] = (),
    durable: bool = False,
    data_dir: Path | None = None,
    port: int = 0,
    users: Users | None = None,
    add_own: Callable[[web.Application], None] = lambda _: None,
) -> AsyncIterator[RunningNode]:
    """A node that is ready and listens until the end of the block. At the end nothing is left of
    its tasks, and every answer that it gave was as documented.

    `durable` gives it a database, in `data_dir` if a later node is to find it there; `add_own`
    adds to its application before it is frozen.
    """
    with (
        TemporaryDirectory() as folder,
        Path(os.devnull).open("wb") as nowhere,
        configure_logs(
            level=LogLevel.INFO,
            log_format=LogFormat.JSON,
            ring_size=100,
            stream=nowhere,
            redactor=Redactor([KEY]),
        ) as logs,
    ):
        catalog = ListedCatalog([*offered, *more])
        artifacts = ArtifactStore(Path(folder))
        runner = CoroutineRunner(catalog, artifacts)
        slot_source = Slots({"default": slots}, worker=NAME)
        drains: list[float | None] = []
        node, durability = make_node(
            catalog=catalog,
            runner=runner,
            artifacts=artifacts,
            slots=slot_source,
            logs=logs,
            drains=drains,
            queue_limit=queue_limit,
            max_wait_s=max_wait_s,
            data_dir=(data_dir or Path(folder)) if durable else None,
        )
        app = make_app(
            node,
            users=users or Users(auth_key=KEY),
            body_limit=body_limit,
            metrics_public=metrics_public,
        )
        add_own(app)
        add_docs(
            app,
            enabled=docs_enabled,
            public=docs_public,
            title="Slotgrid of the tests",
            version="1.2.3",
            root_path=root_path,
        )
        if cors_origins:
            add_cors(app, cors_origins)
        faults = check_answers(app) if docs_enabled else []
        async with (
            nullcontext() if durability is None else durability.running(node.supervisor),
            NodeServer(app, port=port) as server,
        ):
            timeout = ClientTimeout(total=GIVE_UP_S)
            caller: Client = await aiohttp_client(
                server, headers={"Authorization": KEY}, timeout=timeout
            )
            stranger: Client = await aiohttp_client(server, timeout=timeout)
            running = RunningNode(
                url=f"http://127.0.0.1:{server.port}",
                node=node,
                app=app,
                catalog=catalog,
                runner=runner,
                slots=slot_source,
                durability=durability,
                caller=caller,
                stranger=stranger,
                drains=drains,
            )
            yield running
            for task in running.tasks:
                node.supervisor.cancel(task, "the test is over")
            await running.idle()
        assert faults == []


def make_node(
    *,
    catalog: ListedCatalog,
    runner: CoroutineRunner,
    artifacts: ArtifactStore,
    slots: Slots,
    logs: LogRing,
    drains: list[float | None],
    queue_limit: int,
    max_wait_s: float,
    data_dir: Path | None,
    offer: Offer | None = None,
) -> tuple[Node, Durability | None]:
    """The parts of a node, without HTTP; `data_dir` gives it a database."""
    status = NodeStatus()
    status.move_to(NodeState.READY)
    history = History(limit=1000, ttl_s=3600, forget=artifacts.remove)
    gates = Gates(catalog, lambda _: True)
    queue: TaskQueue[Any] = TaskQueue(limit=queue_limit, ageing_s=30)
    dispatcher = Dispatcher(queue, slots, gates)
    metrics = Metrics(lambda: _readings(slots, dispatcher))
    telemetry = TaskTelemetry(history, metrics)
    local = LocalOffer(
        catalog, node=NAME, group="default", contract=1, pools={"default": 1}, labels=()
    )
    admission = Admission(
        offer or local,
        status,
        modes={"sync", "stream"} if data_dir is None else set(Mode),
    )
    placement = Placement(dispatcher, node=NAME)
    feed = TaskFeed()
    supervisor = Supervisor(placement, runner, Observers(feed, telemetry), max_wait_s=max_wait_s)
    durability = None
    if data_dir is not None:
        durability = Durability(
            _settings(data_dir), admission, artifacts, policy=AddressPolicy.parse("127.0.0.0/8")
        )
        supervisor = Supervisor(
            placement,
            RecordedRunner(runner, durability.tasks),
            Observers(feed, telemetry, DurableTurns(durability.tasks)),
            max_wait_s=max_wait_s,
        )
    database = None if durability is None else durability.database
    node = Node(
        name=NAME,
        group="default",
        contract=1,
        status=status,
        catalog=catalog,
        admission=admission,
        dispatcher=dispatcher,
        supervisor=supervisor,
        tasks=TaskService(
            status=status,
            admission=admission,
            dispatcher=dispatcher,
            supervisor=supervisor,
            history=history,
            repository=TaskRepository(history, dispatcher, database),
            durable=None if durability is None else durability.tasks,
            count_refusal=metrics.refused,
            feed=feed,
        ),
        artifacts=artifacts,
        logs=logs,
        health=lambda: _health(slots, dispatcher, catalog),
        metrics=lambda: (metrics.render(), CONTENT_TYPE),
        drain=drains.append,
    )
    return node, durability


def _settings(data_dir: Path) -> Settings:
    return Settings.from_env(
        {
            "PORT": "0",
            "NODE_NAME": NAME,
            "DATA_DIR": str(data_dir),
            "WEBHOOK_RETRIES": "0",
        }
    )


def _health(slots: Slots, dispatcher: Dispatcher, catalog: ListedCatalog) -> Mapping[str, Any]:
    return {
        "name": NAME,
        "functions": [{"name": s.name, "revision": s.revision} for s in catalog.specs()],
        "slots": {
            "used": slots.used,
            "available": slots.total - slots.used,
            "limit": slots.total,
            "queue": dispatcher.waiting,
            "held": slots.held,
        },
        "pools": {name: pool.to_json() for name, pool in slots.pools.items()},
    }


def _readings(slots: Slots, dispatcher: Dispatcher) -> GaugeReadings:
    return GaugeReadings(
        slots={("default", "busy"): slots.used},
        queue_length={"default": dispatcher.waiting},
        browsers=0,
        browser_restarts={},
        memory_bytes=0,
        loop_lag_s=0.0,
        slot_mismatch=0,
        detached_functions=0,
    )
