"""A balancer's status: the detail of `/health`, and the gauges of `/metrics`."""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import psutil

from balancer.fleet.fleet import Fleet
from balancer.fleet.inventory import Inventory
from balancer.fleet.worker_states import WorkerState
from slotgrid.core.slots import PoolCount
from slotgrid.core.spec import Catalog
from slotgrid.function_files.faults import BrokenFile
from slotgrid.node.health import NodeHealth
from slotgrid.runtime.metrics import GaugeReadings


@dataclass(kw_only=True)
class BalancerHealth(NodeHealth):
    """The state of a balancer. `schedules` and `hooks` return that of their files."""

    fleet: Fleet
    catalog: Catalog
    inventory: Inventory
    broken: Callable[[], Sequence[BrokenFile]]
    schedules: Callable[[], Mapping[str, Any]]
    hooks: Callable[[], Mapping[str, Any]]
    _process: psutil.Process = field(default_factory=psutil.Process, init=False)

    def pools(self) -> Mapping[str, PoolCount]:
        """The pools of all ready workers, summed by name.

        The isolation of a pool is that of all its workers, if they agree.
        """
        sizes: Counter[str] = Counter()
        free: Counter[str] = Counter()
        isolations: defaultdict[str, set[str | None]] = defaultdict(set)
        now = time.monotonic()
        for worker in self.fleet.roster.workers():
            if worker.state is WorkerState.READY:
                sizes.update(worker.pools)
                for pool in worker.pools:
                    free[pool] += worker.room(pool, now)
                    isolations[pool].add(worker.isolation.get(pool))
        return {
            pool: PoolCount(size, free[pool], size - free[pool], _only(isolations[pool]))
            for pool, size in sorted(sizes.items())
        }

    @property
    def in_use(self) -> int:
        """Tasks on their way to a worker, or there."""
        return self.fleet.in_flight

    def detail(self) -> dict[str, Any]:
        """The detail of `/health`, for an authenticated caller."""
        return super().detail() | {
            "functions": [
                {"name": spec.name, "group": spec.group, "revision": spec.revision}
                for spec in self.catalog.specs()
            ],
            "broken": [broken.to_json() for broken in self.broken()],
            "workers": {
                "total": sum(1 for _ in self.fleet.roster.workers()),
                "listed": len(self.inventory.entries),
                "unheard": sorted(self.fleet.expected.unheard),
                "states": self._states(),
                "file_fault": self.inventory.fault,
            },
            "schedules": self.schedules(),
            "hooks": self.hooks(),
        }

    def gauges(self) -> GaugeReadings:
        """The gauges of `/metrics`."""
        return replace(
            super().gauges(),
            memory_bytes=self._process.memory_info().rss,
            workers=self._states(),
            report_age_s=self._report_age_s(),
        )

    def _states(self) -> dict[str, int]:
        """The number of workers in each state, zeros included."""
        counts: Counter[WorkerState] = self.fleet.roster.states()
        return {str(state): counts[state] for state in WorkerState}

    def _report_age_s(self) -> float | None:
        now = time.monotonic()
        ages = [
            now - worker.reported_at
            for worker in self.fleet.roster.workers()
            if worker.state is not WorkerState.LOST
        ]
        return max(ages, default=None)


def _only(values: Collection[str | None]) -> str | None:
    """The value, if there is only one."""
    return next(iter(values)) if len(values) == 1 else None
