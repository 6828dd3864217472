"""The worker's state as messages for its links."""

import platform
from collections.abc import Callable, Mapping

from slotgrid.core.dispatcher import Dispatcher
from slotgrid.core.event_log import well_formed
from slotgrid.core.node_state import NodeStatus
from slotgrid.core.slots import PERSISTENT, Slots
from slotgrid.core.supervisor import Supervisor
from slotgrid.function_files.git_commit import FUNCTIONS_COMMIT, commit_of
from slotgrid.runtime.settings import Settings
from slotgrid.wire.encoding import encode
from slotgrid.wire.functions import info_of
from slotgrid.wire.limits import BROKEN_BYTES, BROKEN_LIMIT
from slotgrid.wire.message_parts import BrokenInfo, FunctionInfo, System
from slotgrid.wire.messages import PROTOCOL, Functions, Hello, Report, Tags
from worker.browser.browsers import Browsers
from worker.registry.registry import Registry
from worker.registry.services import Services
from worker.registry.tags import Tags as WorkerTags
from worker.uplink.relay import Counts

ERROR_CHARS = 1000
"""Limit of the error text of one broken file."""


class StatusMessages:
    """Reads the state of the worker's parts as messages; changes only the sequence number.

    `boot` differs for each start of the process. `system` returns the machine's state.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        boot: str,
        version: str,
        status: NodeStatus,
        slots: Slots,
        dispatcher: Dispatcher,
        supervisor: Callable[[], Supervisor],
        registry: Registry,
        services: Services,
        tags: WorkerTags,
        browsers: Browsers,
        system: Callable[[], System],
    ) -> None:
        self._settings = settings
        self._boot = boot
        self._version = version
        self._status = status
        self._slots = slots
        self._dispatcher = dispatcher
        self._supervisor = supervisor
        self._registry = registry
        self._services = services
        self._tags = tags
        self._browsers = browsers
        self._system = system
        self._seq = 0

    def hello(self, running: Mapping[str, tuple[str, ...]]) -> Hello:
        """The first message of a link; `running` has remote task ids by their balancer's boot."""
        settings = self._settings
        return Hello(
            protocol=PROTOCOL,
            version=self._version,
            name=settings.node_name,
            boot=self._boot,
            group=settings.group,
            contract=settings.contract,
            slots=self._slots.total,
            pools=self._slots.sizes,
            isolation=dict.fromkeys(self._slots.persistent, PERSISTENT),
            queue_limits=self._slots.queue_limits,
            labels=settings.labels,
            tags=self._tags.values(),
            versions=self._versions(),
            functions=self._functions(),
            broken=self._broken(),
            running=running,
            report=self.report(),
        )

    def functions(self) -> Functions:
        """The functions, broken files and tags now."""
        return Functions(
            functions=self._functions(), broken=self._broken(), tags=self._tags.values()
        )

    def tags(self) -> Tags:
        """The tags' latest values, and the versions."""
        return Tags(tags=self._tags.values(), versions=self._versions())

    def report(self) -> Report:
        """The worker's state at this moment."""
        slots, dispatcher = self._slots, self._dispatcher
        counts = self.counts()
        return Report(
            seq=counts.seq,
            status=self._status.state.value,
            free=counts.free,
            free_slots=counts.free_slots,
            used=slots.used,
            held=slots.held,
            queue=dispatcher.waiting,
            running=dispatcher.leased - self._supervisor().cleaning,
            services={
                service.name: self._services.is_up(service.name)
                for service in self._registry.services_defined
            },
            system=self._system(),
            browsers=len(self._browsers.stats().browsers),
        )

    def counts(self) -> Counts:
        """The free slots now, with the next sequence number, for one message."""
        self._seq += 1
        return Counts(self._slots.free, self._slots.free_slots, self._seq)

    def _functions(self) -> tuple[FunctionInfo, ...]:
        return tuple(info_of(spec) for spec in self._registry.specs())

    def _broken(self) -> tuple[BrokenInfo, ...]:
        shown: list[BrokenInfo] = []
        size = 0
        for broken in self._registry.broken[:BROKEN_LIMIT]:
            info = BrokenInfo(
                path=well_formed(broken.path), error=well_formed(broken.error[:ERROR_CHARS])
            )
            size += len(encode(info))
            if size > BROKEN_BYTES:
                break
            shown.append(info)
        return tuple(shown)

    def _versions(self) -> dict[str, str | None]:
        return {
            "python": platform.python_version(),
            "chromium": self._browsers.stats().version,
            FUNCTIONS_COMMIT: commit_of(self._settings.functions_dir),
        }
