"""Parts of messages: the objects inside them."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

from slotgrid.core.spec import FunctionKind

TaskId = Annotated[
    str,
    msgspec.Meta(
        pattern="^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$", max_length=36
    ),
]
"""A UUID in lower case, safe as the name of the folder of a task's files."""


Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
"""A number that every reader of JSON keeps exactly."""

SlotNumbers = tuple[Count, ...]
"""Numbers of slots of one pool."""


class Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Base of what stands inside of messages."""


class Rate(Part, frozen=True, kw_only=True):
    """At most `count` starts in any window of `period_s` seconds."""

    count: int
    period_s: float


class FunctionInfo(Part, frozen=True, kw_only=True):
    """One function that the worker serves, its schemas as JSON Schema documents."""

    name: str
    description: str
    kind: FunctionKind
    revision: str
    input: Mapping[str, Any]
    output: Mapping[str, Any] | None = None
    modes: tuple[str, ...]
    timeout_s: float
    pool: str = "default"
    isolation: str = "context"
    retries: int = 0
    requires: tuple[str, ...] = ()
    concurrency: int | None = None
    rate: Rate | None = None


class BrokenInfo(Part, frozen=True, kw_only=True):
    """A file of functions that cannot be used as it is, and why."""

    path: str
    error: str


class System(Part, frozen=True, kw_only=True):
    """How the worker's machine is; percents from 0 to 100, the memory of its process tree."""

    cpu_percent: float = 0.0
    memory_percent: float = 0.0
    memory_bytes: int = 0
    loop_lag_s: float = 0.0


class SourceInfo(Part, frozen=True, kw_only=True):
    """What started a task."""

    kind: str
    id: str | None = None


class ArtifactInfo(Part, frozen=True, kw_only=True):
    """A file that the task saved; it stays at the worker, and `ask` fetches it."""

    name: str
    size: int
    content_type: str


class StepInfo(Part, frozen=True, kw_only=True):
    """One part of the task; `started_at` is null before its start.

    `function` is the function that the step runs; if the step runs an `action`, it is the function
    that the step belongs to. `worker` is the node on which the step runs.
    """

    name: str
    function: str
    action: str | None = None
    worker: str | None = None
    status: Literal["pending", "ready", "running", "completed", "failed", "skipped", "cancelled"]
    started_at: float | None = None
    ended_at: float | None = None
    input: msgspec.Raw = msgspec.field(default_factory=lambda: msgspec.Raw(b"null"))
    output: msgspec.Raw = msgspec.field(default_factory=lambda: msgspec.Raw(b"null"))
    error: str | None = None


class TrafficInfo(Part, frozen=True, kw_only=True):
    """What the task's pages moved over the network: bytes, TLS included, and connections."""

    received_bytes: Count = 0
    sent_bytes: Count = 0
    connections: Count = 0


class Claim(Part, frozen=True, kw_only=True):
    """A task that the balancer takes for running, and the last event and line it has of it."""

    id: TaskId
    events: int = 0
    logs: int = 0
