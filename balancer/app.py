"""Wires the parts of a balancer, and orders their start and end."""

import asyncio
import random
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from aiohttp import web

from balancer.api import hook_schemas, schedule_schemas
from balancer.api.openapi_parts import COMPONENTS
from balancer.api.routes import balancer_routes
from balancer.app_keys import FLEET, HOOKS, LINKS, SCHEDULES
from balancer.dashboard.live import Live
from balancer.dashboard.routes import add_dashboard
from balancer.dashboard.snapshot import Snapshot
from balancer.dashboard.trend import Trend
from balancer.fleet.catalog import BalancerCatalog
from balancer.fleet.change_signal import ChangeSignal
from balancer.fleet.dialling import Dialling
from balancer.fleet.expected_workers import RETURNING_S
from balancer.fleet.fleet import Fleet
from balancer.fleet.fleet_offer import FleetOffer
from balancer.fleet.inventory import Inventory
from balancer.fleet.links import Links
from balancer.fleet.remote_files import RemoteFiles
from balancer.fleet.remote_runner import RemoteRunner
from balancer.flows.flow_catalog import FlowCatalog
from balancer.flows.flows import Flows
from balancer.flows.parts import FlowParts
from balancer.health import BalancerHealth
from balancer.hooks.hooks import Hooks
from balancer.schedules.scheduling import Scheduling
from slotgrid.core.errors import DatabaseUnavailable
from slotgrid.core.gates import Gates
from slotgrid.core.node_state import NodeState
from slotgrid.core.observer import Observers
from slotgrid.core.placement import Runners
from slotgrid.core.spec import FunctionSpec
from slotgrid.core.supervisor import Supervisor
from slotgrid.durable.recorded_runner import DurableTurns, RecordedRunner
from slotgrid.function_files.git_commit import FUNCTIONS_COMMIT
from slotgrid.intake.node_parts import Served
from slotgrid.node.process import NodeProcess
from slotgrid.records.task_telemetry import TaskTelemetry
from slotgrid.runtime.background import background
from slotgrid.runtime.env_file import environment
from slotgrid.runtime.logs import LogRing
from slotgrid.runtime.machine import Machine
from slotgrid.runtime.secrets import Redactor
from slotgrid.runtime.settings import Settings
from slotgrid.users.users import Users

PEERS = "*"
"""The group for takeover between balancers of one database: any of them can run any task, and no
worker's group can have that name."""
FIRST_REPORTS_S = 2.0
"""At the start: how long a balancer waits for the listed workers before it accepts tasks."""
LOOK_S = 0.02


class Balancer(NodeProcess):
    """The parts of one balancer, made from its settings; `running` starts and ends them."""

    kind = "balancer"
    health: BalancerHealth

    def __init__(
        self,
        settings: Settings,
        *,
        logs: LogRing,
        redactor: Redactor,
        drain: Callable[[float | None], None],
    ) -> None:
        self.fleet = Fleet(chance=random.random)
        self.inventory = Inventory(settings.workers_file)
        self.links = Links(self.fleet, name=settings.node_name, wake=self._fleet_changed)
        self.dialling = Dialling(
            self.fleet, self.links, self.inventory, key=settings.link_key, redactor=redactor
        )
        self.changes = ChangeSignal()
        users = Users(settings.users_file, auth_key=settings.auth_key)
        self.catalog = BalancerCatalog(self.fleet.roster)
        self.offer = FleetOffer(self.fleet, self.catalog, wait_for_change=self.changes.wait)
        super().__init__(
            settings,
            users=users,
            slots=self.fleet,
            # Services belong to each worker: the fleet sends no task to a worker that lacks them.
            gates=Gates(self.fleet.roster, lambda _: True, share_of=users.share_of),
            offer=self.offer,
            redactor=redactor,
            drain=drain,
            peers=PEERS,
            functions_within_s=RETURNING_S,
        )
        self.files = RemoteFiles(self.links, self.artifacts)
        self.trend = Trend()
        self.runners = Runners(RemoteRunner(self.fleet, self.links, self.files))
        roster = self.fleet.roster
        self.flow_catalog = FlowCatalog(
            settings.functions_dir,
            offered=lambda group, name: roster.find(name, group),
            workers_of=roster.workers_with,
            publish=self._flows_changed,
        )
        self.catalog.own_fault_of = self.flow_catalog.fault_of
        self.flows = Flows(
            FlowParts(
                self.durability.database,
                self.durability.tasks,
                self.admission,
                self.flow_catalog,
                self.fleet.roster.newest_contract,
            ),
            node=settings.node_name,
        )
        self.runners.slotless["flow"] = self.flows
        self.durability.tasks.flows = self.flows
        self.supervisor = Supervisor(
            self.placement,
            RecordedRunner(self.runners, self.durability.tasks),
            Observers(
                self.feed,
                TaskTelemetry(self.history, self.metrics),
                self.trend,
                DurableTurns(self.durability.tasks),
            ),
            max_wait_s=settings.max_wait_s,
        )
        self.scheduling = Scheduling(
            settings.schedules_file,
            self.durability,
            self.admission,
            self.status,
            self.catalog,
            owner_exists=users.exists,
            count_refusal=self.metrics.refused,
        )
        self.hooks = Hooks(
            settings.hooks_file,
            variables=environment(),
            redactor=redactor,
            owner_exists=users.exists,
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
        self.health = BalancerHealth(
            settings=settings,
            fleet=self.fleet,
            catalog=self.catalog,
            inventory=self.inventory,
            dispatcher=self.dispatcher,
            supervisor=self.supervisor,
            machine=Machine(self.watchdog),
            durable=self.durability.health,
            broken=lambda: self.flow_catalog.broken,
            mounts=self.mounts.health,
            users=self.users.health,
            schedules=self.scheduling.health,
            hooks=self.hooks.health,
        )
        self.node = self._node(logs, files_elsewhere=self.files, groups=self._groups)
        self._offered = self.fleet.roster.version

    def application(self) -> web.Application:
        """The balancer's HTTP application, which starts and ends the parts."""

        def add_own(app: web.Application) -> None:
            app[FLEET], app[LINKS] = self.fleet, self.links
            app[SCHEDULES] = self.scheduling.schedules
            app[HOOKS] = self.hooks
            app.add_routes(balancer_routes())
            add_dashboard(app, self.live, self.trend, root_path=self.settings.root_path)

        async def end_links() -> None:
            await self.dialling.stop()
            await self.links.close()

        return self._application(
            self.node,
            acceptor=self.links,
            end_links=end_links,
            add_own=add_own,
            components={
                **COMPONENTS,
                **hook_schemas.COMPONENTS,
                **schedule_schemas.COMPONENTS,
            },
            docs_at_root=False,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Start every part in the order of dependence; end them in reverse."""
        async with AsyncExitStack() as stack:
            self.settings.data_dir.mkdir(parents=True, exist_ok=True)
            await stack.enter_async_context(self.watchdog)
            stack.push_async_callback(self.links.close)
            await self.flow_catalog.load()
            await stack.enter_async_context(self.flow_catalog.watching())
            await stack.enter_async_context(self.hooks.watching())
            await stack.enter_async_context(self.dialling.running())
            for loop, name in (
                (self.keep_expiring, "history"),
                (self.keep_data_folder, "data folder"),
            ):
                _ = await stack.enter_async_context(background(loop, name=name))
            _ = await stack.enter_async_context(background(self.live.running, name="dashboard"))
            await stack.enter_async_context(self.flows.running(self.supervisor))
            # Late, as it starts the tasks that an earlier process accepted.
            await stack.enter_async_context(self.durability.running(self.supervisor))
            await stack.enter_async_context(self.scheduling.running())
            yield

    async def get_ready(self) -> None:
        """Accept tasks once the listed workers have reported, or FIRST_REPORTS_S are over."""
        give_up = time.monotonic() + FIRST_REPORTS_S
        while self.fleet.expected.unheard and time.monotonic() < give_up:  # noqa: ASYNC110  polls
            await asyncio.sleep(LOOK_S)
        if self.status.state is NodeState.STARTING:
            self.status.move_to(NodeState.READY)

    def _fleet_changed(self) -> None:
        """A slot for a waiting task may be free, or another contract may fit it."""
        if self._offered == self.fleet.roster.version:
            self.dispatcher.wake()
            return
        self._offered = self.fleet.roster.version
        self.flow_catalog.refresh()
        self.dispatcher.reclassify(self.offer.resolve_again)
        self.changes.notify()

    def _flows_changed(self, specs: Sequence[FunctionSpec]) -> None:
        self.catalog.replace_own(specs)
        self.changes.notify()

    async def _groups(self) -> dict[str, Served]:
        workers = Counter(worker.group for worker in self.fleet.roster.workers())
        commits: defaultdict[str, set[str]] = defaultdict(set)
        for worker in self.fleet.roster.workers():
            if FUNCTIONS_COMMIT in worker.versions:
                commits[worker.group].add(worker.versions[FUNCTIONS_COMMIT])
        try:
            schedules: Mapping[str, int] | None = await self.scheduling.schedules.count_by_group()
        except DatabaseUnavailable:
            schedules = None
        hooks = self.hooks.count_by_group()
        return {
            group: Served(
                contracts,
                workers[group],
                sorted(commits[group]),
                None if schedules is None else schedules.get(group, 0),
                hooks[group],
            )
            for group, contracts in self.catalog.groups().items()
        }
