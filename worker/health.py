"""A worker's state: the detail of `/health`, and the gauges of `/metrics`."""

import asyncio
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any

import psutil

from slotgrid.core.dispatcher import Dispatcher
from slotgrid.core.node import NodeState, NodeStatus
from slotgrid.core.slots import Slots
from slotgrid.core.supervisor import Supervisor
from slotgrid.runtime.machine import Machine
from slotgrid.runtime.memory import MIB, tree_memory_mb
from slotgrid.runtime.metrics import GaugeReadings
from slotgrid.runtime.settings import Settings
from slotgrid.wire.parts import System
from worker.attempt import Parts
from worker.registry.tags import Tags
from worker.runner import LocalRunner

MEASURE_EVERY_S = 10.0
SYSTEM_EVERY_S = 0.9
"""Less than the second between two reports, so that each report has new values."""


class WorkerHealth:
    """Reads the state of the worker's parts; changes nothing."""

    def __init__(
        self,
        settings: Settings,
        *,
        status: NodeStatus,
        slots: Slots,
        dispatcher: Dispatcher,
        supervisor: Supervisor,
        runner: LocalRunner,
        parts: Parts,
        tags: Tags,
        machine: Machine,
        durable: Callable[[], Mapping[str, Any]],
    ) -> None:
        self._settings = settings
        self._status = status
        self._slots = slots
        self._dispatcher = dispatcher
        self._supervisor = supervisor
        self._runner = runner
        self._parts = parts
        self._tags = tags
        self._machine = machine
        self._durable = durable
        self._version = version("slotgrid")
        self._memory_bytes = 0
        self._system = System()
        self._system_at = -SYSTEM_EVERY_S

    def detail(self) -> Mapping[str, Any]:
        """The detail of `/health`, for an authenticated caller."""
        registry, browsers = self._parts.registry, self._parts.browsers.stats()
        ready = self._status.state is NodeState.READY and self._slots.held is None
        free = self._slots.total - self._slots.used
        return {
            "name": self._settings.node_name,
            "group": self._settings.group,
            "contract": self._settings.contract,
            "labels": dict(self._settings.labels),
            "version": self._version,
            "functions": [
                {"name": spec.name, "revision": spec.revision} for spec in registry.specs()
            ],
            "broken": [broken.to_json() for broken in registry.broken],
            "slots": {
                "used": self._slots.used,
                "available": free if ready else 0,
                "limit": self._slots.total,
                "queue": self._dispatcher.waiting,
                "held": self._slots.held,
            },
            "pools": self._slots.pools,
            "durable": self._durable(),
            "services": [report.to_json() for report in self._parts.services.snapshot()],
            "tags": self._tags.values(),
            "browsers": {
                "version": browsers.version,
                "problem": browsers.problem,
                "spares": browsers.spares,
                "contexts_in_use": browsers.contexts_in_use,
                "restarts": {str(why): count for why, count in browsers.restarts.items()},
                "processes": browsers.browsers,
            },
            "system": self._machine.detail(),
        }

    def gauges(self) -> GaugeReadings:
        """The gauges of `/metrics`."""
        browsers = self._parts.browsers.stats()
        slots: dict[tuple[str, str], int] = {}
        for name, pool in self._slots.pools.items():
            slots[name, "free"], slots[name, "busy"] = pool.free, pool.busy
        return GaugeReadings(
            slots=slots,
            queue_length={self._settings.group: self._dispatcher.waiting},
            browsers=len(browsers.browsers),
            browser_restarts={str(why): count for why, count in browsers.restarts.items()},
            memory_bytes=self._memory_bytes,
            loop_lag_s=self._machine.lag_s,
            slot_mismatch=self.mismatch(),
            detached_functions=self._runner.detached,
        )

    def system(self) -> System:
        """The machine's state for a report; cached for SYSTEM_EVERY_S, as reading takes time."""
        now = time.monotonic()
        if now - self._system_at >= SYSTEM_EVERY_S:
            self._system_at = now
            self._system = System(
                cpu_percent=psutil.cpu_percent(),
                memory_percent=round(self._machine.used_percent(), 1),
                memory_bytes=self._memory_bytes,
                loop_lag_s=round(self._machine.lag_s, 4),
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

    def mismatch(self) -> int:
        """The difference between leases, slots and contexts; if it stays above 0, something leaks.

        A context whose caller left during the opening counts until it is closed.
        """
        leased = self._dispatcher.leased
        started = self._supervisor.running + self._supervisor.cleaning
        contexts = self._parts.browsers.stats().contexts_in_use
        return (
            abs(leased - self._slots.used)
            + abs(leased - self._dispatcher.handed - started)
            # Fewer contexts are no leak: one is being opened, or ended with its browser.
            + max(0, contexts - self._runner.contexts_open)
        )
