"""The parts of a node that worker and balancer share."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from functools import partial

import structlog
from aiohttp import web

from slotgrid.core.admission import Admission
from slotgrid.core.dispatcher import Dispatcher
from slotgrid.core.fields import Mode
from slotgrid.core.gates import Gates
from slotgrid.core.node_state import NodeState, NodeStatus
from slotgrid.core.offer import Offer
from slotgrid.core.placement import Placement
from slotgrid.core.priority_queue import TaskQueue
from slotgrid.core.schema import JsonSchema
from slotgrid.core.slots import SlotSource
from slotgrid.core.supervisor import Supervisor
from slotgrid.core.task import Task
from slotgrid.durable.durability import Durability
from slotgrid.function_files.git_commit import commit_of
from slotgrid.intake.api.docs import add_docs
from slotgrid.intake.api.link import ACCEPTOR, Acceptor, link
from slotgrid.intake.api.mounts import add_mounts
from slotgrid.intake.app import make_app
from slotgrid.intake.auth import LINK_KEYS
from slotgrid.intake.cors import add_cors
from slotgrid.intake.node_parts import FilesElsewhere, Node, Served
from slotgrid.intake.openapi_document import NO_COMPONENTS
from slotgrid.mounts.mounts import Mounts
from slotgrid.net.addresses import AddressPolicy
from slotgrid.node.health import VERSION, NodeHealth
from slotgrid.records.artifact_limits import ArtifactLimits
from slotgrid.records.artifacts import ArtifactStore
from slotgrid.records.history import History
from slotgrid.records.task_repository import TaskRepository
from slotgrid.runtime.data_folder import keep_data_folder
from slotgrid.runtime.env_file import environment
from slotgrid.runtime.logs import LogRing
from slotgrid.runtime.metrics import CONTENT_TYPE, Metrics
from slotgrid.runtime.secrets import Redactor
from slotgrid.runtime.settings import Settings, SettingsError
from slotgrid.runtime.watchdog import LoopWatchdog
from slotgrid.tasks.feed import TaskFeed
from slotgrid.tasks.service import TaskService
from slotgrid.users.users import Users
from slotgrid.webhooks.deliveries import check_webhook

log = structlog.get_logger()

EXPIRE_EVERY_S = 60.0


class NodeProcess(ABC):
    """The parts that every node has. Subclasses add parts of their own and define how all run.

    `users` may call it. `slots` and `gates` decide where and when tasks run; `offer` has the
    functions. `peers` and `functions_within_s` are as in `Durability`. `drain` is called when a
    caller requests a drain, with the deadline in seconds.
    """

    kind: str
    """`worker` or `balancer`."""
    health: NodeHealth
    supervisor: Supervisor

    def __init__(
        self,
        settings: Settings,
        *,
        users: Users,
        slots: SlotSource,
        gates: Gates,
        offer: Offer,
        redactor: Redactor,
        drain: Callable[[float | None], None],
        peers: str | None = None,
        functions_within_s: float = 0.0,
    ) -> None:
        self.settings = settings
        self._offer = offer
        self._drain = drain
        self.users = users
        self.feed = TaskFeed()
        self.status = NodeStatus(self._status_changed)
        self.address_policy = _address_policy(settings.allowed_private_networks)
        self.artifacts = ArtifactStore(
            settings.data_dir / "artifacts",
            ArtifactLimits(
                file_bytes=settings.artifact_limit_bytes,
                task_bytes=settings.task_artifacts_limit_bytes,
            ),
        )
        self.mounts = Mounts(
            settings.mounts_file, variables=environment(), data_dir=settings.data_dir
        )
        self.history = History(
            limit=settings.history_limit, ttl_s=settings.history_ttl_s, forget=self._forget
        )
        self.metrics = Metrics(lambda: self.health.gauges())  # noqa: PLW0108  health is made later
        self.users.changed = lambda: self.dispatcher.wake()  # noqa: PLW0108  it is made here
        self.dispatcher = Dispatcher(
            TaskQueue(limit=settings.queue_limit, ageing_s=settings.priority_ageing_s),
            slots,
            gates,
        )
        self.placement = Placement(self.dispatcher, node=settings.node_name)
        self.admission = Admission(
            offer,
            self.status,
            modes=frozenset(Mode),
            check_webhook=partial(check_webhook, policy=self.address_policy),
            has_share=self.users.has_share,
        )
        self.durability = Durability(
            settings,
            self.admission,
            self.artifacts,
            policy=self.address_policy,
            check_slot_queue=self.dispatcher.check_slot_queue,
            forget=self.history.remove,
            count_delivery=self.metrics.delivery_attempted,
            redactor=redactor,
            peers=peers,
            functions_within_s=functions_within_s,
        )
        self.dispatcher.slot_queues.durable_waiting = self.durability.tasks.waiting_for
        self.repository = TaskRepository(
            self.history,
            self.dispatcher,
            self.durability.database,
            begun=self.durability.tasks.begun,
        )
        self.watchdog = LoopWatchdog(
            stall_s=settings.loop_stall_s,
            data_dir=settings.data_dir,
            on_stall=self.metrics.loop_stalled,
        )

    @abstractmethod
    def application(self) -> web.Application:
        """The node's HTTP application, which starts and ends the node's parts."""

    @abstractmethod
    def running(self) -> AbstractAsyncContextManager[None]:
        """Start every part in the order of dependence; end them in reverse."""

    @abstractmethod
    async def get_ready(self) -> None:
        """Begin to accept tasks when the node is ready; called when the port listens."""

    def drain(self, deadline_s: float | None) -> None:
        """Refuse new tasks from now on and request the drain of this node."""
        self.status.move_to(NodeState.DRAINING)
        self._drain(deadline_s)

    def cancel_everything(self, reason: str) -> None:
        """Cancel every live task; a running drain then ends as soon as their slots are free."""
        for task in self.supervisor.live:
            self.supervisor.cancel(task, f"the {self.kind} was told to stop at once ({reason})")

    async def keep_expiring(self) -> None:
        """Evict old tasks each minute, even without new ones."""
        while True:
            await asyncio.sleep(EXPIRE_EVERY_S)
            self.history.expire()

    async def keep_data_folder(self) -> None:
        """Recreate `DATA_DIR` when it is removed, unless it contains the database."""
        await keep_data_folder(
            self.settings.data_dir, remake=not self.durability.database.is_sqlite
        )

    def _status_changed(self, state: NodeState) -> None:
        log.info("node.state", state=state)

    def _forget(self, task: Task) -> None:
        """Remove the files of an evicted task; files of a durable task stay with its record."""
        if not task.durable:
            self.artifacts.remove(task)

    def _node(
        self,
        logs: LogRing,
        *,
        files_elsewhere: FilesElsewhere | None = None,
        groups: Callable[[], Awaitable[Mapping[str, Served]]] | None = None,
    ) -> Node:
        """The interface of this node for the HTTP handlers."""
        settings = self.settings
        return Node(
            name=settings.node_name,
            group=settings.group,
            contract=settings.contract,
            status=self.status,
            catalog=self._offer.catalog,
            admission=self.admission,
            dispatcher=self.dispatcher,
            supervisor=self.supervisor,
            tasks=TaskService(
                status=self.status,
                admission=self.admission,
                dispatcher=self.dispatcher,
                supervisor=self.supervisor,
                history=self.history,
                repository=self.repository,
                durable=self.durability.tasks,
                count_refusal=self.metrics.refused,
                feed=self.feed,
            ),
            artifacts=self.artifacts,
            logs=logs,
            health=self.health.detail,
            metrics=lambda: (self.metrics.render(), CONTENT_TYPE),
            drain=self.drain,
            commit=partial(commit_of, settings.functions_dir),
            files_elsewhere=files_elsewhere,
            groups=groups,
        )

    def _application(
        self,
        node: Node,
        *,
        acceptor: Acceptor,
        end_links: Callable[[], Awaitable[None]],
        add_own: Callable[[web.Application], None] = lambda _: None,
        components: Mapping[str, JsonSchema] = NO_COMPONENTS,
        docs_at_root: bool = True,
    ) -> web.Application:
        """The routes of every node plus those of `add_own`, with their schemas `components`."""
        settings = self.settings
        app = make_app(
            node,
            users=self.users,
            body_limit=settings.request_body_limit_bytes,
            metrics_public=settings.metrics_public,
            trusted_proxies=settings.trusted_proxies,
        )
        app[LINK_KEYS] = Users(auth_key=settings.link_key)
        app[ACCEPTOR] = acceptor
        app.router.add_get("/link", link)
        add_own(app)
        add_mounts(app, self.mounts)
        add_docs(
            app,
            enabled=settings.openapi_enabled,
            public=settings.openapi_public or not settings.is_public,
            title=f"Slotgrid {self.kind} {settings.node_name}",
            version=VERSION,
            root_path=settings.root_path,
            at_root=docs_at_root,
            components=components,
            mounts_version=lambda: self.mounts.version,
        )
        if settings.cors_enabled:
            add_cors(app, settings.cors_origins)

        async def parts(_: web.Application) -> AsyncIterator[None]:
            async with self.users.watching(), self.mounts.watching(), self.running():
                yield

        async def close(_: web.Application) -> None:
            self.feed.end()
            await end_links()

        app.on_shutdown.append(close)  # aiohttp waits for link handlers: end them first
        app.cleanup_ctx.append(parts)
        return app


def _address_policy(text: str) -> AddressPolicy:
    """The addresses that this node may connect to. Raises SettingsError."""
    try:
        return AddressPolicy.parse(text)
    except ValueError as error:
        raise SettingsError((f"ALLOWED_PRIVATE_NETWORKS: {error}",)) from error
