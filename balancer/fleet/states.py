"""What the fleet is told of a worker, as its links read it; knows nothing of messages."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import msgspec

from slotgrid.core.node import NodeState
from slotgrid.core.spec import FunctionSpec


class WorkerState(StrEnum):
    """How a worker stands with this balancer; only a `ready` one is given tasks."""

    STARTING = "starting"
    READY = "ready"
    MAINTENANCE = "maintenance"
    EJECTED = "ejected"
    """It failed repeatedly, and is left alone for a while."""
    MISMATCH = "mismatch"
    """Its functions differ from those of the others of its group and contract."""
    DRAINING = "draining"
    LOST = "lost"
    """Its link is down."""
    REMOVED = "removed"
    """No longer listed: it finishes what it has."""

    @property
    def waited_for(self) -> bool:
        """Whether tasks may wait for it: it is there, and will take tasks again by itself."""
        return self in _WAITED_FOR


_WAITED_FOR = frozenset(
    {WorkerState.STARTING, WorkerState.READY, WorkerState.MAINTENANCE, WorkerState.EJECTED}
)


class Refusal(StrEnum):
    """Why a worker did not start a task that it was sent."""

    BUSY = "busy"
    HELD = "held"
    MAINTENANCE = "maintenance"
    DRAINING = "draining"
    FUNCTION = "function"
    CONTRACT = "contract"


class Counts(msgspec.Struct, frozen=True):
    """How many slots each pool of a worker has free, all that it has started counted in.

    `seq` grows with each count of one link, so that a late one is known as such. A struct, as
    two are made for each task.
    """

    seq: int
    free: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How a worker is doing. `held` says why it hands out no slot; None while it does."""

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
    """What a worker says of itself when its link opens.

    `boot` is another one after each start of its process. `functions` should be shared between
    workers that say the same of them: each holds compiled schemas.
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
