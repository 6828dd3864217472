"""A worker's states and reports in the fleet's types, independent of the wire messages."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import msgspec

from slotgrid.core.node import NodeState
from slotgrid.core.spec import FunctionSpec


class WorkerState(StrEnum):
    """The state of a worker at this balancer; only a `ready` worker gets tasks."""

    STARTING = "starting"
    READY = "ready"
    MAINTENANCE = "maintenance"
    EJECTED = "ejected"
    """It failed repeatedly, and gets no tasks for a while."""
    MISMATCH = "mismatch"
    """Its functions differ from those of its peers in group and contract."""
    DRAINING = "draining"
    LOST = "lost"
    """The link is down."""
    REMOVED = "removed"
    """No longer listed: it finishes the tasks that it has."""

    @property
    def waited_for(self) -> bool:
        """Whether tasks may wait for it: it is connected, and ready now or later."""
        return self in _WAITED_FOR


_WAITED_FOR = frozenset(
    {WorkerState.STARTING, WorkerState.READY, WorkerState.MAINTENANCE, WorkerState.EJECTED}
)


class Refusal(StrEnum):
    """Why a worker refused a task."""

    BUSY = "busy"
    HELD = "held"
    MAINTENANCE = "maintenance"
    DRAINING = "draining"
    FUNCTION = "function"
    CONTRACT = "contract"


class Counts(msgspec.Struct, frozen=True):
    """Free slots in each pool of a worker, with every started task taken into account.

    `seq` grows with each count of one link, so that a late count is recognized. A struct for
    speed, as two are made for each task.
    """

    seq: int
    free: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Status and load of a worker. `held`: why it gives out no slot; None while it does."""

    counts: Counts
    status: NodeState = NodeState.READY
    held: str | None = None
    used: int = 0
    queue: int = 0
    running: int = 0
    services: Mapping[str, bool] = field(default_factory=dict)
    cpu_percent: float = 0.0
    memory_percent: float = 0.0
    memory_bytes: int = 0
    loop_lag_s: float = 0.0
    browsers: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """A worker's description of itself when its link opens.

    `boot` is new at each start of its process. Workers with equal functions should share the
    objects in `functions`: each holds compiled schemas.
    """

    name: str
    boot: str
    group: str
    contract: int
    pools: Mapping[str, int]
    functions: Collection[FunctionSpec]
    report: Report
    version: str = ""
    labels: Collection[tuple[str, str]] = ()
    tags: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
