"""The state of a node: the detail of `/health`, and the gauges of `/metrics`."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from slotgrid.core.dispatcher import Dispatcher
from slotgrid.core.lease import CLEANING, HELD, STARTED
from slotgrid.core.slots import PoolCount
from slotgrid.core.supervisor import Supervisor
from slotgrid.runtime.machine import Machine
from slotgrid.runtime.metrics import GaugeReadings
from slotgrid.runtime.settings import Settings

VERSION = version("slotgrid")


@dataclass(kw_only=True)
class NodeHealth(ABC):
    """Reads the state of a node's parts; changes nothing. Each kind of node adds its own parts.

    `durable` returns the state of the durable work, `mounts` that of the static mounts, `users`
    that of `users.json`.
    """

    settings: Settings
    dispatcher: Dispatcher
    supervisor: Supervisor
    machine: Machine
    durable: Callable[[], Mapping[str, Any]]
    mounts: Callable[[], Mapping[str, Any]]
    users: Callable[[], Mapping[str, Any]]

    @abstractmethod
    def pools(self) -> Mapping[str, PoolCount]:
        """The slot counts of each pool."""

    @property
    @abstractmethod
    def in_use(self) -> int:
        """The leased slots, as the owner of the slots counts them."""

    def detail(self) -> dict[str, Any]:
        """The detail of `/health`, for an authenticated caller."""
        pools = self.pools()
        limit, free = (
            sum(one.size for one in pools.values()),
            sum(one.free for one in pools.values()),
        )
        return {
            "name": self.settings.node_name,
            "version": VERSION,
            "slots": {
                "used": limit - free,
                "available": free,
                "limit": limit,
                "queue": self.dispatcher.waiting,
                "held": None,
            },
            "pools": {name: pool.to_json() for name, pool in pools.items()},
            "durable": self.durable(),
            "mounts": self.mounts(),
            "users": self.users(),
            "system": self.machine.detail(),
        }

    def gauges(self) -> GaugeReadings:
        """The gauges of `/metrics`."""
        slots: dict[tuple[str, str], int] = {}
        for name, pool in self.pools().items():
            slots[name, "free"], slots[name, "busy"] = pool.free, pool.busy
        return GaugeReadings(
            slots=slots,
            queue_length=self.dispatcher.waiting_by_group(),
            loop_lag_s=self.machine.lag_s,
            slot_mismatch=self.mismatch(),
        )

    def mismatch(self) -> int:
        """How far leases, slots in use and running tasks differ; if not 0 for long, a leak."""
        leases = self.dispatcher.lease_states()
        return (
            abs(leases.total() - self.in_use)
            + abs(leases[HELD] + leases[STARTED] - self.supervisor.running)
            + abs(leases[CLEANING] - self.supervisor.cleaning)
        )
