"""A worker: the wiring of its parts, and the order in which they start and end."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import structlog
from aiohttp import web

from slotgrid.core.gates import Gates
from slotgrid.core.node_state import NodeState
from slotgrid.core.observer import Observers
from slotgrid.core.offer import LocalOffer
from slotgrid.core.placement import Runners
from slotgrid.core.slots import Slots
from slotgrid.core.supervisor import Supervisor
from slotgrid.durable.recorded_runner import DurableTurns, RecordedRunner
from slotgrid.node.process import NodeProcess
from slotgrid.records.task_telemetry import TaskTelemetry
from slotgrid.runtime.background import background
from slotgrid.runtime.env_file import environment
from slotgrid.runtime.logs import LogRing
from slotgrid.runtime.machine import Machine
from slotgrid.runtime.memory_usage import memory_used_percent
from slotgrid.runtime.secrets import Redactor
from slotgrid.runtime.setting_choices import Sandbox
from slotgrid.runtime.settings import Settings, SettingsError
from slotgrid.runtime.task_output import captured_output
from slotgrid.users.users import Users
from worker.actions.function_files import FunctionFiles
from worker.attempt import Parts
from worker.browser.browsers import Browsers
from worker.browser.launch import LaunchPlan
from worker.browser.persistent_browsers import PersistentBrowsers
from worker.browser.persistent_slot import SlotPlace
from worker.browser.sweep import temporary_base
from worker.guard.guard import Guard
from worker.health import WorkerHealth
from worker.loaders_by_suffix import loaders
from worker.memory_limit import guard_memory
from worker.persistent_pools import KeptPool
from worker.plain.child_processes import PlainProcesses
from worker.pool_setup import PoolSetup
from worker.pools.pools import Pools, shared_browsers
from worker.recipes.commands import commands_function
from worker.registry.loader import LoaderSettings
from worker.registry.registry import Registry
from worker.registry.services import Services
from worker.registry.tags import Tags
from worker.runner import LocalRunner
from worker.secrets.declared_secrets import DeclaredSecrets
from worker.uplink.relayed_runner import RelayedRunner
from worker.uplink.wiring import wire_uplink

log = structlog.get_logger()

BROWSERS_STARTED_S = 30.0


class _Facts:
    """Fulfils `slotgrid.function.NodeFacts`."""

    def __init__(self, name: str, browsers: Browsers) -> None:
        self.name = name
        self._browsers = browsers

    @property
    def browser_version(self) -> str | None:
        """For example `156.0.8078.79`."""
        return self._browsers.stats().version


class Worker(NodeProcess):
    """The parts of one worker, made from its settings; `running` starts and ends them.

    `used_percent` returns how much of the memory available to this worker is in use.
    """

    kind = "worker"
    health: WorkerHealth

    def __init__(
        self,
        settings: Settings,
        *,
        logs: LogRing,
        redactor: Redactor,
        drain: Callable[[float | None], None],
        used_percent: Callable[[], float] = memory_used_percent,
    ) -> None:
        self._used_percent = used_percent
        self.plain = PlainProcesses(limit=settings.slots)
        self.secrets = declared_secrets(settings, redactor)
        self.pools = worker_pools(settings, self.secrets, redactor)
        self.registry = functions_registry(settings, self.plain, self.secrets, self.pools)
        self.services = Services(self.registry)
        self.slots = Slots(
            self.pools.sizes,
            worker=settings.node_name,
            persistent=self.pools.persistent,
            queue_limits=self.pools.queue_limits,
        )
        users = Users(settings.users_file, auth_key=settings.auth_key)
        super().__init__(
            settings,
            users=users,
            slots=self.slots,
            gates=Gates(self.registry, self.services.is_up, share_of=users.share_of),
            offer=LocalOffer(
                self.registry,
                node=settings.node_name,
                group=settings.group,
                contract=settings.contract,
                pools=self.slots.sizes,
                persistent=self.slots.persistent,
                labels=settings.labels.items(),
            ),
            redactor=redactor,
            drain=drain,
        )
        plan = launch_plan(settings)
        self.guard = self._guard()
        self.browsers = Browsers(
            plan,
            count=shared_browsers(settings, self.pools),
            slots=self.pools.context_slots,
            temp_dir=temporary_base(settings.data_dir, plan.kind_here()),
            max_tasks=settings.browser_max_tasks,
            max_memory_mb=settings.browser_max_memory_mb,
            guard=self.guard if settings.traffic_guard else None,
        )
        setup = PoolSetup(lambda: parts, redactor, node=settings.node_name)
        self.persistent = PersistentBrowsers(
            [
                KeptPool(pool, self.pools, settings.data_dir, setup)
                for pool in self.pools.persistent.values()
            ],
            self.browsers,
            guard=self.guard if settings.traffic_guard else None,
            on_down=self._slot_down,
            max_tasks=settings.browser_max_tasks,
            max_memory_mb=settings.browser_max_memory_mb,
        )
        self.tags = Tags(self.registry, _Facts(settings.node_name, self.browsers))
        parts = Parts(
            registry=self.registry,
            browsers=self.browsers,
            services=self.services,
            artifacts=self.artifacts,
            policy=self.address_policy,
            pools=self.pools,
            persistent=self.persistent,
        )
        self.runner = LocalRunner(parts, redactor)
        self.uplink = wire_uplink(
            settings,
            status=self.status,
            slots=self.slots,
            dispatcher=self.dispatcher,
            admission=self.admission,
            history=self.history,
            parts=parts,
            tags=self.tags,
            logs=logs,
            supervisor=lambda: self.supervisor,
            system=lambda: self.health.system(),  # noqa: PLW0108  health is made below
            health=lambda: self.health.detail(),  # noqa: PLW0108  likewise
            drain=self.drain,
        )
        recorded = RecordedRunner(Runners(self.runner), self.durability.tasks)
        self.supervisor = Supervisor(
            self.placement,
            RelayedRunner(recorded, self.uplink.tasks),
            Observers(
                self.feed,
                TaskTelemetry(self.history, self.metrics),
                DurableTurns(self.durability.tasks),
                self.uplink.tasks,
            ),
            max_wait_s=settings.max_wait_s,
        )
        self.health = WorkerHealth(
            settings=settings,
            status=self.status,
            slots=self.slots,
            dispatcher=self.dispatcher,
            supervisor=self.supervisor,
            runner=self.runner,
            parts=parts,
            tags=self.tags,
            secrets=self.secrets,
            machine=Machine(self.watchdog, used_percent),
            durable=self.durability.health,
            mounts=self.mounts.health,
            users=self.users.health,
        )
        self.node = self._node(logs)
        # A change may unblock waiting tasks: a service is up, or a function's file changed.
        self.services.on_change(self.dispatcher.wake)
        self.pools.on_change(self._pools_changed)
        self.registry.on_change(self.dispatcher.wake)

    def _guard(self) -> Guard:
        """The guard of all that pages send. Raises SettingsError."""
        settings = self.settings
        try:
            return Guard(
                self.address_policy,
                node_port=settings.port,
                limit=settings.traffic_limit,
                on_refused=self.metrics.guard_refused,
                resolver=settings.proxy_resolver,
            )
        except ValueError as error:
            names = "HTTP_PROXY, HTTPS_PROXY or ALL_PROXY"
            raise SettingsError((f"{names} of the environment: {error}",)) from error

    def application(self) -> web.Application:
        """The worker's HTTP application, which starts and ends the parts."""
        return self._application(self.node, acceptor=self.uplink, end_links=self.uplink.close)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Start every part in the order of dependence; end them in reverse."""
        async with AsyncExitStack() as stack:
            self.settings.data_dir.mkdir(parents=True, exist_ok=True)
            # Before functions are imported, which may keep `sys.stdout`.
            stack.enter_context(captured_output())
            await stack.enter_async_context(self.watchdog)
            await stack.enter_async_context(self.guard.running())
            await stack.enter_async_context(self.browsers.running())
            await stack.enter_async_context(self.plain.running())
            await self.secrets.look()
            await self.registry.load()
            await stack.enter_async_context(self.registry.watching())
            await stack.enter_async_context(self.secrets.watching(self.registry.load))
            await stack.enter_async_context(self.services.running())
            await stack.enter_async_context(self.persistent.running())
            await stack.enter_async_context(self.pools.watching())
            await stack.enter_async_context(self.tags.running())
            memory = partial(
                guard_memory,
                self.slots,
                limit_percent=self.settings.memory_limit_percent,
                used_percent=self._used_percent,
                changed=self._held_changed,
            )
            for loop, name in (
                (memory, "memory guard"),
                (self.health.keep_measuring, "memory measure"),
                (self.keep_expiring, "history"),
                (self.keep_data_folder, "data folder"),
            ):
                _ = await stack.enter_async_context(background(loop, name=name))
            # Late: with it, tasks that an earlier process accepted start to run.
            await stack.enter_async_context(self.durability.running(self.supervisor))
            await stack.enter_async_context(self.uplink.running())
            yield

    async def get_ready(self) -> None:
        """Accept tasks when all browsers have started or failed, or after BROWSERS_SETTLED_S."""
        try:
            async with asyncio.timeout(BROWSERS_STARTED_S):
                await self.browsers.wait_started()
                await self.persistent.wait_started()
        except TimeoutError:
            log.warning("browsers.slow", waited_s=BROWSERS_STARTED_S)
        await self.tags.refresh()  # the browser's version was unknown before
        if self.status.state is NodeState.STARTING:
            self.status.move_to(NodeState.READY)

    def _status_changed(self, state: NodeState) -> None:
        super()._status_changed(state)
        self.uplink.status_changed(state)

    def _pools_changed(self, names: frozenset[str]) -> None:
        self.persistent.outdate(names, "the options of the pool have changed")

    def _slot_down(self, place: SlotPlace, reason: str | None) -> None:
        """Give no task to a slot without a browser, and tasks again when it has one."""
        if reason is not None:
            self.slots.set_down(place.pool, place.number, reason)
            return
        self.slots.set_up(place.pool, place.number)
        self.dispatcher.wake()

    def _held_changed(self) -> None:
        """React to a change of the memory guard: wake the dispatcher and send a report."""
        self.dispatcher.wake()
        self.uplink.changed()


def declared_secrets(settings: Settings, redactor: Redactor | None = None) -> DeclaredSecrets:
    """The secrets of this worker, whose files were not yet looked at."""
    return DeclaredSecrets(environment(), settings.secrets_file, redactor=redactor)


def worker_pools(
    settings: Settings, secrets: DeclaredSecrets, redactor: Redactor | None = None
) -> Pools:
    """The pools of this worker. Raises SettingsError."""
    return Pools.of(settings, secrets, redactor)


def functions_registry(
    settings: Settings, plain: PlainProcesses, secrets: DeclaredSecrets, pools: Pools
) -> Registry:
    """The registry of this worker's functions, not yet loaded."""
    terms = LoaderSettings(
        group=settings.group,
        contract=settings.contract,
        default_timeout_s=settings.default_timeout_s,
        pools=pools.isolations,
        secrets=secrets,
    )
    commands = commands_function(
        FunctionFiles(settings.functions_dir),
        group=settings.group,
        contract=settings.contract,
        isolation=pools.isolations.get("default", "context"),
    )
    return Registry(settings.functions_dir, loaders(terms, plain.run), [commands])


def launch_plan(settings: Settings) -> LaunchPlan:
    """How this worker starts its browsers."""
    sandbox = {Sandbox.AUTO: None, Sandbox.ON: True, Sandbox.OFF: False}[settings.browser_sandbox]
    return LaunchPlan(
        kind=settings.browser,
        chromium_path=settings.chromium_path,
        headless=settings.headless,
        sandbox=sandbox,
    )
