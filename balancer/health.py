"""A balancer's status: the detail of `/health`, and the gauges of `/metrics`."""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any

import psutil

from balancer.fleet.fleet import Fleet
from balancer.fleet.inventory import Inventory
from balancer.fleet.states import WorkerState
from slotgrid.core.dispatcher import Dispatcher
from slotgrid.core.node import NodeStatus
from slotgrid.core.slots import PoolCount
from slotgrid.core.supervisor import Supervisor
from slotgrid.runtime.machine import Machine
from slotgrid.runtime.metrics import GaugeReadings
from slotgrid.runtime.settings import Settings


class BalancerHealth:
    """Reads the state of the balancer's parts; changes nothing."""

    def __init__(
        self,
        settings: Settings,
        *,
        status: NodeStatus,
        fleet: Fleet,
        inventory: Inventory,
        dispatcher: Dispatcher,
        supervisor: Supervisor,
        machine: Machine,
        durable: Callable[[], Mapping[str, Any]],
    ) -> None:
        self._settings = settings
        self._status = status
        self._fleet = fleet
        self._inventory = inventory
        self._dispatcher = dispatcher
        self._supervisor = supervisor
        self._machine = machine
        self._durable = durable
        self._process = psutil.Process()
        self._version = version("slotgrid")

    def detail(self) -> Mapping[str, Any]:
        """The detail that `/health` shows to a caller with a key."""
        pools = self._pools()
        limit = sum(pool.size for pool in pools.values())
        free = sum(pool.free for pool in pools.values())
        return {
            "name": self._settings.node_name,
            "version": self._version,
            "functions": [
                {"name": spec.name, "group": spec.group, "revision": spec.revision}
                for spec in self._fleet.roster.specs()
            ],
            "slots": {
                "used": limit - free,
                "available": free,
                "limit": limit,
                "queue": self._dispatcher.waiting,
                "held": None,
            },
            "pools": pools,
            "workers": {
                "total": sum(1 for _ in self._fleet.roster.workers()),
                "listed": len(self._inventory.entries),
                "unheard": sorted(self._fleet.expected.unheard),
                "states": self._states(),
                "file_fault": self._inventory.fault,
            },
            "durable": self._durable(),
            "system": self._machine.detail(),
        }

    def gauges(self) -> GaugeReadings:
        """The current gauges of `/metrics`."""
        slots: dict[tuple[str, str], int] = {}
        for name, pool in self._pools().items():
            slots[name, "free"], slots[name, "busy"] = pool.free, pool.busy
        return GaugeReadings(
            slots=slots,
            queue_length=self._dispatcher.waiting_by_group(),
            browsers=None,
            browser_restarts={},
            memory_bytes=self._process.memory_info().rss,
            loop_lag_s=self._machine.lag_s,
            slot_mismatch=self.mismatch(),
            detached_functions=0,
            workers=self._states(),
            report_age_s=self._report_age_s(),
        )

    def mismatch(self) -> int:
        """How far leases, rights to send and running tasks differ; not 0 means a leak."""
        leased = self._dispatcher.leased
        started = self._supervisor.running + self._supervisor.cleaning
        return abs(leased - self._fleet.in_flight) + abs(leased - self._dispatcher.handed - started)

    def _states(self) -> dict[str, int]:
        """The number of workers in each state, zeros included."""
        counts: Counter[WorkerState] = self._fleet.roster.states()
        return {str(state): counts[state] for state in WorkerState}

    def _pools(self) -> dict[str, PoolCount]:
        """The pools of all ready workers, summed by name."""
        sizes: Counter[str] = Counter()
        free: Counter[str] = Counter()
        now = time.monotonic()
        for worker in self._fleet.roster.workers():
            if worker.state is WorkerState.READY:
                sizes.update(worker.pools)
                for pool in worker.pools:
                    free[pool] += worker.room(pool, now)
        return {
            pool: PoolCount(size, free[pool], size - free[pool])
            for pool, size in sorted(sizes.items())
        }

    def _report_age_s(self) -> float | None:
        now = time.monotonic()
        ages = [
            now - worker.reported_at
            for worker in self._fleet.roster.workers()
            if worker.state is not WorkerState.LOST
        ]
        return max(ages, default=None)
