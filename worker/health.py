"""A worker's state: the detail of `/health`, and the gauges of `/metrics`."""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import psutil

from slotgrid.core.node_state import NodeState, NodeStatus
from slotgrid.core.slots import PoolCount, Slots
from slotgrid.node.health import NodeHealth
from slotgrid.runtime.memory_usage import MIB, tree_memory_mb
from slotgrid.runtime.metrics import GaugeReadings
from slotgrid.wire.message_parts import System
from worker.attempt import Parts
from worker.registry.tags import Tags
from worker.runner import LocalRunner
from worker.secrets.declared_secrets import DeclaredSecrets

MEASURE_EVERY_S = 10.0
SYSTEM_EVERY_S = 0.9
"""Less than the second between two reports, so that each report has new values."""


@dataclass(kw_only=True)
class WorkerHealth(NodeHealth):
    """The state of a worker."""

    status: NodeStatus
    slots: Slots
    runner: LocalRunner
    parts: Parts
    tags: Tags
    secrets: DeclaredSecrets
    _memory_bytes: int = field(default=0, init=False)
    _system: System = field(default_factory=System, init=False)
    _system_at: float = field(default=-SYSTEM_EVERY_S, init=False)

    def pools(self) -> Mapping[str, PoolCount]:
        """The slot counts of each pool."""
        return self.slots.pools

    @property
    def in_use(self) -> int:
        """The leased slots."""
        return self.slots.used

    def detail(self) -> dict[str, Any]:
        """The detail of `/health`, for an authenticated caller."""
        shared, held = super().detail(), self.slots.held
        registry, browsers = self.parts.registry, self.parts.browsers.stats()
        if self.status.state is not NodeState.READY or held is not None:
            shared["slots"]["available"] = 0
        return shared | {
            # Without slots that are down, which are neither free nor used.
            "slots": shared["slots"] | {"held": held, "used": self.slots.used},
            "group": self.settings.group,
            "contract": self.settings.contract,
            "labels": dict(self.settings.labels),
            "functions": [
                {"name": spec.name, "revision": spec.revision} for spec in registry.specs()
            ],
            "broken": [broken.to_json() for broken in registry.broken],
            "flows": registry.elsewhere,
            "services": [report.to_json() for report in self.parts.services.snapshot()],
            "tags": self.tags.values(),
            "secrets": self.secrets.report(),
            "browsers": {
                "version": browsers.version,
                "problem": browsers.problem,
                "spares": browsers.spares,
                "contexts_in_use": browsers.contexts_in_use + self.parts.persistent.contexts_in_use,
                "restarts": self._restarts(),
                "processes": browsers.browsers,
                "persistent": self.parts.persistent.stats(),
            },
            "pools_file": self.parts.pools.detail(),
        }

    def gauges(self) -> GaugeReadings:
        """The gauges of `/metrics`."""
        browsers = self.parts.browsers.stats()
        return replace(
            super().gauges(),
            queue_length={self.settings.group: self.dispatcher.waiting},  # also when it is 0
            browsers=len(browsers.browsers) + self.parts.persistent.count,
            browser_restarts=self._restarts(),
            memory_bytes=self._memory_bytes,
            detached_functions=self.runner.detached,
        )

    def system(self) -> System:
        """The machine's state for a report; cached for SYSTEM_EVERY_S, as reading takes time."""
        now = time.monotonic()
        if now - self._system_at >= SYSTEM_EVERY_S:
            self._system_at = now
            self._system = System(
                cpu_percent=psutil.cpu_percent(),
                memory_percent=round(self.machine.used_percent(), 1),
                memory_bytes=self._memory_bytes,
                loop_lag_s=round(self.machine.lag_s, 4),
            )
        return self._system

    async def keep_measuring(self) -> None:
        """Measure the memory of the whole process tree, for as long as the worker runs.

        In a thread and not at the scrape: the kernel walks page tables for this.
        """
        root = psutil.Process()
        while True:
            self._memory_bytes = await asyncio.to_thread(tree_memory_mb, root) * MIB
            await asyncio.sleep(MEASURE_EVERY_S)

    def _restarts(self) -> dict[str, int]:
        """How often browsers were replaced, by reason."""
        restarts = Counter(self.parts.browsers.stats().restarts) + self.parts.persistent.restarts
        return {str(why): count for why, count in restarts.items()}

    def mismatch(self) -> int:
        """As for any node; and contexts that no task has open.

        A kept context counts while a task has it, not between tasks.
        A context whose caller left during the opening counts until it is closed.
        """
        browsers, persistent = self.parts.browsers, self.parts.persistent
        contexts = browsers.stats().contexts_in_use + persistent.contexts_in_use
        # Fewer contexts are no leak: one is being opened, or ended with its browser.
        return super().mismatch() + max(0, contexts - self.runner.contexts_open)
