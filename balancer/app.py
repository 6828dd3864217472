"""A balancer: its parts, wired; and the order in which they start and end."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version

import structlog
from aiohttp import web

from balancer.api.documents import COMPONENTS
from balancer.api.routes import balancer_routes
from balancer.dashboard.live import Live
from balancer.dashboard.routes import add_dashboard
from balancer.dashboard.snapshot import Snapshot
from balancer.dashboard.trend import Trend, TrendingJournal
from balancer.fleet.dialling import Dialling
from balancer.fleet.files import RemoteFiles
from balancer.fleet.fleet import RETURNING_S, Fleet
from balancer.fleet.inventory import Inventory
from balancer.fleet.links import Links
from balancer.fleet.offer import FleetOffer
from balancer.fleet.remote import RemoteRunner
from balancer.health import BalancerHealth
from balancer.keys import FLEET, LINKS
from slotgrid.core.admission import Admission
from slotgrid.core.dispatcher import Dispatcher
from slotgrid.core.gates import Gates
from slotgrid.core.node import NodeState, NodeStatus
from slotgrid.core.queue import TaskQueue
from slotgrid.core.submission import Mode
from slotgrid.core.supervisor import Supervisor
from slotgrid.core.task import Task
from slotgrid.intake.api.docs import add_docs
from slotgrid.intake.api.link import ACCEPTOR
from slotgrid.intake.app import make_app
from slotgrid.intake.cors import add_cors
from slotgrid.intake.node import Node, Served
from slotgrid.records.artifacts import ArtifactStore
from slotgrid.records.durability import Durability
from slotgrid.records.durable_turns import RecordedRunner, RecordingObserver
from slotgrid.records.history import History
from slotgrid.records.keyed import KeyedTasks
from slotgrid.records.ledger import Ledger
from slotgrid.runtime.background import background
from slotgrid.runtime.logs import LogRing
from slotgrid.runtime.metrics import CONTENT_TYPE, Metrics
from slotgrid.runtime.secrets import Redactor
from slotgrid.runtime.settings import Settings
from slotgrid.runtime.watchdog import LoopWatchdog

log = structlog.get_logger()

PEERS = "*"
"""The group under which balancers of one database take over from each other: any of them can run
any task, and no worker's group can have that name."""
FIRST_REPORTS_S = 2.0
"""At the start: how long the workers of the list have to be heard before tasks are accepted."""
LOOK_S = 0.02


class Balancer:
    """The parts of one balancer, made from its settings; `running` starts and ends them.

    `drain` is called when a caller asks the balancer to drain, with the deadline in seconds.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        logs: LogRing,
        redactor: Redactor,
        drain: Callable[[float | None], None],
    ) -> None:
        self.settings = settings
        self._drain = drain
        self.status = NodeStatus(lambda state: log.info("node.state", state=state))
        self.fleet = Fleet(chance=random.random)
        self.inventory = Inventory(settings.workers_file)
        self.links = Links(
            self.fleet, name=settings.node_name, key=settings.link_key, wake=self._fleet_changed
        )
        self.dialling = Dialling(
            self.fleet, self.links, self.inventory, key=settings.link_key, redactor=redactor
        )
        self.offer = FleetOffer(self.fleet)
        self.artifacts = ArtifactStore(settings.data_dir / "artifacts")
        self.files = RemoteFiles(self.links, self.artifacts)
        self.history = History(
            limit=settings.history_limit, ttl_s=settings.history_ttl_s, forget=self._forget
        )
        self.metrics = Metrics(lambda: self.health.gauges())  # noqa: PLW0108  health is made below
        self.dispatcher = Dispatcher(
            TaskQueue(limit=settings.queue_limit, ageing_s=settings.priority_ageing_s),
            self.fleet,
            # Services are a matter of each worker: the fleet sends no task to one that lacks them.
            Gates(self.fleet.roster, lambda _: True),
        )
        self.runner = RemoteRunner(self.fleet, self.links, self.files)
        self.admission = Admission(
            self.offer,
            self.status,
            modes=frozenset(Mode),
            check_webhook=lambda webhook: self.durability.check_webhook(webhook),  # noqa: PLW0108  made below
        )
        self.durability = Durability(
            settings,
            self.admission,
            self.artifacts,
            forget=self.history.remove,
            count_delivery=self.metrics.delivery_attempted,
            redactor=redactor,
            peers=PEERS,
            functions_within_s=RETURNING_S,
        )
        self.trend = Trend()
        journal = TrendingJournal(self.history, self.metrics, self.trend)
        self.supervisor = Supervisor(
            self.dispatcher,
            RecordedRunner(self.runner, self.durability.tasks),
            RecordingObserver(journal, self.durability.tasks),
            max_wait_s=settings.max_wait_s,
        )
        self.live = Live(
            Snapshot(
                name=settings.node_name,
                status=self.status,
                fleet=self.fleet,
                inventory=self.inventory,
                dispatcher=self.dispatcher,
                supervisor=self.supervisor,
                trend=self.trend,
            )
        )
        self.watchdog = LoopWatchdog(
            stall_s=settings.loop_stall_s,
            data_dir=settings.data_dir,
            on_stall=self.metrics.loop_stalled,
        )
        self.health = BalancerHealth(
            settings,
            status=self.status,
            fleet=self.fleet,
            inventory=self.inventory,
            dispatcher=self.dispatcher,
            supervisor=self.supervisor,
            lag=self.watchdog,
            durable=self.durability.health,
        )
        self.node = self._node(logs)
        self._offered = self.fleet.roster.version

    def application(self) -> web.Application:
        """The balancer's HTTP application; it starts and ends the parts with itself."""
        settings = self.settings
        app = make_app(
            self.node,
            auth_key=settings.auth_key,
            body_limit=settings.request_body_limit_bytes,
            metrics_public=settings.metrics_public,
            trusted_proxies=settings.trusted_proxies,
        )
        app[FLEET] = self.fleet
        app[LINKS] = app[ACCEPTOR] = self.links
        app.add_routes(balancer_routes())
        add_dashboard(app, self.live, self.trend, root_path=settings.root_path)
        add_docs(
            app,
            enabled=settings.openapi_enabled,
            public=settings.openapi_public or not settings.is_public,
            title=f"Slotgrid balancer {settings.node_name}",
            version=version("slotgrid"),
            root_path=settings.root_path,
            at_root=False,
            components=COMPONENTS,
        )
        if settings.cors_enabled:
            add_cors(app, settings.cors_origins)

        async def parts(_: web.Application) -> AsyncIterator[None]:
            async with self.running():
                yield

        async def end_links(_: web.Application) -> None:
            await self.dialling.stop()
            await self.links.close()

        app.on_shutdown.append(end_links)  # aiohttp waits for their handlers, and they for these
        app.cleanup_ctx.append(parts)
        return app

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Start every part in the order of dependence; end them in reverse."""
        async with AsyncExitStack() as stack:
            self.settings.data_dir.mkdir(parents=True, exist_ok=True)
            await stack.enter_async_context(self.watchdog)
            stack.push_async_callback(self.links.close)
            await stack.enter_async_context(self.dialling.running())
            _ = await stack.enter_async_context(background(self._expire(), name="history"))
            _ = await stack.enter_async_context(background(self.live.running(), name="dashboard"))
            # Last, for what an earlier process accepted starts to run with it.
            await stack.enter_async_context(self.durability.running(self.supervisor))
            yield

    async def get_ready(self) -> None:
        """Accept tasks once the workers of the list were heard, or have had the time for it."""
        give_up = time.monotonic() + FIRST_REPORTS_S
        while self.fleet.unheard and time.monotonic() < give_up:  # noqa: ASYNC110  it calls nobody
            await asyncio.sleep(LOOK_S)
        if self.status.state is NodeState.STARTING:
            self.status.move_to(NodeState.READY)

    def drain(self, deadline_s: float | None) -> None:
        """Refuse new tasks from here on, and have whoever serves this balancer drain it."""
        self.status.move_to(NodeState.DRAINING)
        self._drain(deadline_s)

    def cancel_everything(self, reason: str) -> None:
        """Cancel every live task; a drain under way then ends as soon as the workers say so."""
        for task in self.supervisor.live:
            self.supervisor.cancel(task, f"the balancer was told to stop at once ({reason})")

    def _fleet_changed(self) -> None:
        """There may be room for a task that waits, or another contract for it."""
        if self._offered == self.fleet.roster.version:
            self.dispatcher.wake()
            return
        self._offered = self.fleet.roster.version
        self.dispatcher.reclassify(self.offer.rethink)

    def _forget(self, task: Task) -> None:
        """A task leaves memory; the files of a durable one stay with its record."""
        if not task.submission.mode.durable:
            self.artifacts.remove(task)

    async def _expire(self) -> None:
        """Old tasks go even when no new ones come."""
        while True:
            await asyncio.sleep(60)
            self.history.expire()

    def _node(self, logs: LogRing) -> Node:
        settings = self.settings
        return Node(
            name=settings.node_name,
            group=settings.group,
            contract=settings.contract,
            status=self.status,
            catalog=self.fleet.roster,
            admission=self.admission,
            dispatcher=self.dispatcher,
            supervisor=self.supervisor,
            history=self.history,
            keyed=KeyedTasks(self.history.get),
            ledger=Ledger(self.history, self.dispatcher, self.durability.database),
            durable=self.durability.tasks,
            artifacts=self.artifacts,
            logs=logs,
            health=self.health.detail,
            metrics=lambda: (self.metrics.render(), CONTENT_TYPE),
            drain=self.drain,
            refused=self.metrics.refused,
            files_elsewhere=self.files,
            groups=self._groups,
        )

    def _groups(self) -> dict[str, Served]:
        workers = Counter(worker.group for worker in self.fleet.roster.workers())
        return {
            group: Served(contracts, workers[group])
            for group, contracts in self.fleet.roster.groups().items()
        }
