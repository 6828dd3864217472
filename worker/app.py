"""A worker: its parts, wired; and the order in which they start and end."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version

import structlog
from aiohttp import web

from slotgrid.core.admission import Admission
from slotgrid.core.dispatcher import Dispatcher
from slotgrid.core.fields import Mode
from slotgrid.core.gates import Gates
from slotgrid.core.node import NodeState, NodeStatus
from slotgrid.core.offer import LocalOffer
from slotgrid.core.queue import TaskQueue
from slotgrid.core.slots import Slots
from slotgrid.core.supervisor import Supervisor
from slotgrid.core.task import Task
from slotgrid.intake.api.docs import add_docs
from slotgrid.intake.api.link import ACCEPTOR, link
from slotgrid.intake.app import make_app
from slotgrid.intake.cors import add_cors
from slotgrid.intake.node import Node
from slotgrid.records.artifacts import ArtifactStore
from slotgrid.records.durability import Durability
from slotgrid.records.durable_turns import RecordedRunner, RecordingObserver
from slotgrid.records.history import History
from slotgrid.records.journal import Journal
from slotgrid.records.keyed import KeyedTasks
from slotgrid.records.ledger import Ledger
from slotgrid.runtime.background import background
from slotgrid.runtime.choices import Sandbox
from slotgrid.runtime.env_file import environment
from slotgrid.runtime.logs import LogRing
from slotgrid.runtime.machine import Machine
from slotgrid.runtime.memory import memory_used_percent
from slotgrid.runtime.metrics import CONTENT_TYPE, Metrics
from slotgrid.runtime.secrets import Redactor
from slotgrid.runtime.settings import Settings
from slotgrid.runtime.watchdog import LoopWatchdog
from worker.attempt import Parts
from worker.browser.browsers import Browsers
from worker.browser.launch import LaunchPlan
from worker.browser.sweep import temporary_base
from worker.health import WorkerHealth
from worker.memory_guard import guard_memory
from worker.plain.processes import PlainProcesses
from worker.registry.registry import Registry
from worker.registry.services import Services
from worker.registry.tags import Tags
from worker.runner import LocalRunner
from worker.uplink.turns import RelayedRunner, RelayingObserver
from worker.uplink.wiring import wire_uplink

log = structlog.get_logger()

BROWSERS_SETTLED_S = 30.0


class _Facts:
    """Fulfils `slotgrid.function.NodeFacts`."""

    def __init__(self, name: str, browsers: Browsers) -> None:
        self.name = name
        self._browsers = browsers

    @property
    def browser_version(self) -> str | None:
        """For example `156.0.8078.79`."""
        return self._browsers.stats().version


class Worker:
    """The parts of one worker, made from its settings; `running` starts and ends them.

    `drain` is called when a caller asks the worker to drain, with the deadline in seconds.
    `used_percent` says how much of the memory that this worker may have is in use.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        logs: LogRing,
        redactor: Redactor,
        drain: Callable[[float | None], None],
        used_percent: Callable[[], float] = memory_used_percent,
    ) -> None:
        self.settings = settings
        self._drain = drain
        self._used_percent = used_percent
        self.status = NodeStatus(self._status_changed)
        self.registry = Registry(
            settings.functions_dir,
            group=settings.group,
            contract=settings.contract,
            default_timeout_s=settings.default_timeout_s,
            pools=settings.pools,
            environment=environment(),
        )
        self.services = Services(self.registry)
        plan = launch_plan(settings)
        self.browsers = Browsers(
            plan,
            count=settings.browsers,
            slots=settings.slots,
            temp_dir=temporary_base(settings.data_dir, plan.kind_here()),
            max_tasks=settings.browser_max_tasks,
            max_memory_mb=settings.browser_max_memory_mb,
        )
        self.tags = Tags(self.registry, _Facts(settings.node_name, self.browsers))
        self.plain = PlainProcesses(limit=settings.slots)
        self.artifacts = ArtifactStore(settings.data_dir / "artifacts")
        self.history = History(
            limit=settings.history_limit,
            ttl_s=settings.history_ttl_s,
            forget=self._forget,
        )
        self.metrics = Metrics(lambda: self.health.gauges())  # noqa: PLW0108  health is made below
        self.slots = Slots(settings.pools, worker=settings.node_name)
        self.dispatcher = Dispatcher(
            TaskQueue(limit=settings.queue_limit, ageing_s=settings.priority_ageing_s),
            self.slots,
            Gates(self.registry, self.services.is_up),
        )
        parts = Parts(
            registry=self.registry,
            browsers=self.browsers,
            plain=self.plain,
            services=self.services,
            artifacts=self.artifacts,
        )
        self.runner = LocalRunner(parts, redactor)
        offer = LocalOffer(
            self.registry,
            node=settings.node_name,
            group=settings.group,
            contract=settings.contract,
            pools=settings.pools,
            labels=settings.labels.items(),
        )
        self.admission = Admission(
            offer,
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
        )
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
        recorded = RecordedRunner(self.runner, self.durability.tasks)
        recording = RecordingObserver(Journal(self.history, self.metrics), self.durability.tasks)
        self.supervisor = Supervisor(
            self.dispatcher,
            RelayedRunner(recorded, self.uplink.tasks),
            RelayingObserver(recording, self.uplink.tasks),
            max_wait_s=settings.max_wait_s,
        )
        self.watchdog = LoopWatchdog(
            stall_s=settings.loop_stall_s,
            data_dir=settings.data_dir,
            on_stall=self.metrics.loop_stalled,
        )
        self.health = WorkerHealth(
            settings,
            status=self.status,
            slots=self.slots,
            dispatcher=self.dispatcher,
            supervisor=self.supervisor,
            runner=self.runner,
            parts=parts,
            tags=self.tags,
            machine=Machine(self.watchdog, used_percent),
            durable=self.durability.health,
        )
        self.node = self._node(logs)
        # What holds tasks back may have gone: a service came up, a function was changed.
        self.services.on_change(self.dispatcher.wake)
        self.registry.on_change(self.dispatcher.wake)

    def application(self) -> web.Application:
        """The worker's HTTP application; it starts and ends the parts with itself."""
        settings = self.settings
        app = make_app(
            self.node,
            auth_key=settings.auth_key,
            body_limit=settings.request_body_limit_bytes,
            metrics_public=settings.metrics_public,
            trusted_proxies=settings.trusted_proxies,
        )
        add_docs(
            app,
            enabled=settings.openapi_enabled,
            public=settings.openapi_public or not settings.is_public,
            title=f"Slotgrid worker {settings.node_name}",
            version=version("slotgrid"),
            root_path=settings.root_path,
        )
        if settings.cors_enabled:
            add_cors(app, settings.cors_origins)

        async def parts(_: web.Application) -> AsyncIterator[None]:
            async with self.running():
                yield

        async def end_links(_: web.Application) -> None:
            await self.uplink.close()

        app[ACCEPTOR] = self.uplink
        app.router.add_get("/link", link)
        app.on_shutdown.append(end_links)  # aiohttp waits for their handlers, and they for these
        app.cleanup_ctx.append(parts)
        return app

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Start every part in the order of dependence; end them in reverse."""
        async with AsyncExitStack() as stack:
            self.settings.data_dir.mkdir(parents=True, exist_ok=True)
            await stack.enter_async_context(self.watchdog)
            await stack.enter_async_context(self.browsers.running())
            await stack.enter_async_context(self.plain.running())
            await self.registry.load()
            await stack.enter_async_context(self.registry.watching())
            await stack.enter_async_context(self.services.running())
            await stack.enter_async_context(self.tags.running())
            memory = guard_memory(
                self.slots,
                limit_percent=self.settings.memory_limit_percent,
                used_percent=self._used_percent,
                changed=self._held_changed,
            )
            for loop, name in (
                (memory, "memory guard"),
                (self.health.keep_measuring(), "memory measure"),
                (self._expire(), "history"),
            ):
                _ = await stack.enter_async_context(background(loop, name=name))
            # For what an earlier process accepted starts to run with it.
            await stack.enter_async_context(self.durability.running(self.supervisor))
            await stack.enter_async_context(self.uplink.running())
            yield

    async def get_ready(self) -> None:
        """Accept tasks as soon as the browsers have started, or have failed to."""
        try:
            async with asyncio.timeout(BROWSERS_SETTLED_S):
                await self.browsers.settled()
        except TimeoutError:
            log.warning("browsers.slow", waited_s=BROWSERS_SETTLED_S)
        await self.tags.refresh()  # those of the browser could not be told before
        if self.status.state is NodeState.STARTING:
            self.status.move_to(NodeState.READY)

    def _status_changed(self, state: NodeState) -> None:
        log.info("node.state", state=state)
        self.uplink.status_changed(state)

    def _held_changed(self) -> None:
        """Memory holds slots back, or no longer."""
        self.dispatcher.wake()
        self.uplink.changed()

    def _forget(self, task: Task) -> None:
        """A task leaves memory; the files of a durable one stay with its record."""
        if not task.submission.mode.durable:
            self.artifacts.remove(task)

    def drain(self, deadline_s: float | None) -> None:
        """Refuse new tasks from here on, and have whoever serves this worker drain it."""
        self.status.move_to(NodeState.DRAINING)
        self._drain(deadline_s)

    def cancel_everything(self, reason: str) -> None:
        """Cancel every live task; a drain under way then ends as soon as their slots are free."""
        for task in self.supervisor.live:
            self.supervisor.cancel(task, f"the worker was told to stop at once ({reason})")

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
            catalog=self.registry,
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
        )


def launch_plan(settings: Settings) -> LaunchPlan:
    """How this worker starts its browsers; `proxy` stays off until a guard is there to use it."""
    sandbox = {Sandbox.AUTO: None, Sandbox.ON: True, Sandbox.OFF: False}[settings.browser_sandbox]
    return LaunchPlan(
        kind=settings.browser,
        chromium_path=settings.chromium_path,
        headless=settings.headless,
        sandbox=sandbox,
    )
