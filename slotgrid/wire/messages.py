"""The messages between a balancer and a worker on their link, explained in `docs/protocol.md`.

Times are seconds since the epoch. A member with a default may be left out. A minor version of the
protocol may only add members and messages; unknown ones are ignored.
"""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from slotgrid.wire.message_parts import (
    ArtifactInfo,
    BrokenInfo,
    Claim,
    Count,
    FunctionInfo,
    Part,
    SlotNumbers,
    SourceInfo,
    StepInfo,
    System,
    TaskId,
    TrafficInfo,
)

PROTOCOL = "1.4"
"""Major and minor version; nodes of the same major version are compatible."""

NodeStatus = Literal["starting", "ready", "maintenance", "draining"]
Refusal = Literal["busy", "held", "maintenance", "draining", "function", "contract"]
Wish = Literal["artifact", "logs", "task_logs", "on", "off", "drain", "health"]

ModeName = Literal["sync", "stream", "webhook", "async"]


class _Message(Part, frozen=True, kw_only=True, tag_field="type"):
    """Base of all messages; the member `type` tells them apart."""


# ---- worker -> balancer ----


class Report(_Message, frozen=True, kw_only=True, tag="report"):
    """How the worker is: on every change, those within 10 ms as one, and each second.

    `free` counts the free slots by pool, `used` those taken, `queue` who waits at the worker
    itself. While `held` says why, none is given out. `seq` grows with each message that has one.
    `free_slots` has the numbers of the free slots of each persistent pool, here and wherever `free`
    is; it goes to balancers of 1.4 and later.
    """

    seq: int
    status: NodeStatus
    free: Mapping[str, int]
    free_slots: Mapping[str, SlotNumbers] = {}
    used: int
    held: str | None = None
    queue: int = 0
    running: int = 0
    services: Mapping[str, bool] = {}
    system: System
    browsers: int | None = None


class Hello(_Message, frozen=True, kw_only=True, tag="hello"):
    """The worker's first message: who it is, and all that a balancer must know of it.

    `boot` is another with each start of the process. `pools` are sizes; they add up to `slots`.
    `isolation` is what a pool gives its tasks, by pool: the slots of a `persistent` one differ, and
    a task may be sent to one of them. `queue_limits` bounds, by pool, how many tasks may wait for
    one such slot.
    `running` are the tasks that are under way here, by the boot of the balancer that sent them.
    """

    protocol: str
    version: str
    name: str
    boot: str
    group: str
    contract: int
    slots: int
    pools: Mapping[str, int]
    isolation: Mapping[str, str] = {}
    queue_limits: Mapping[str, Count] = {}
    labels: Mapping[str, str] = {}
    tags: Mapping[str, Any] = {}
    versions: Mapping[str, str | None] = {}
    functions: tuple[FunctionInfo, ...] = ()
    broken: tuple[BrokenInfo, ...] = ()
    running: Mapping[str, tuple[str, ...]] = {}
    report: Report


class Functions(_Message, frozen=True, kw_only=True, tag="functions"):
    """The functions have changed; this takes the place of what was said before."""

    functions: tuple[FunctionInfo, ...]
    broken: tuple[BrokenInfo, ...] = ()
    tags: Mapping[str, Any] = {}


class Tags(_Message, frozen=True, kw_only=True, tag="tags"):
    """The tags or the versions have changed; this takes the place of what was said before."""

    tags: Mapping[str, Any]
    versions: Mapping[str, str | None] = {}


class Started(_Message, frozen=True, kw_only=True, tag="started"):
    """The task has a slot; `free` counts without it.

    `slot` numbers the slots of the pool, from 0. Before 1.4, and to balancers of those versions, it
    numbers the slots of all pools, in the order of `pools` in `hello`.
    """

    id: str
    slot: int
    free: Mapping[str, int]
    free_slots: Mapping[str, SlotNumbers] = {}
    seq: int


class Refused(_Message, frozen=True, kw_only=True, tag="refused"):
    """The task was not started, and nothing of it is here; `kind` and `reason` say why."""

    id: str
    kind: Refusal
    reason: str


class EventMessage(_Message, frozen=True, kw_only=True, tag="event"):
    """The task said something. `number` counts the task's events from 1, with no gap."""

    id: str
    number: int
    kind: str
    at: float
    payload: msgspec.Raw


class LogMessage(_Message, frozen=True, kw_only=True, tag="log"):
    """The task's function wrote a line into its log. `number` grows, with gaps."""

    id: str
    number: int
    at: float
    step: str
    stream: str
    line: str


class Done(_Message, frozen=True, kw_only=True, tag="done"):
    """The task has completed. `free` counts its slot, unless that has still to be cleaned."""

    id: str
    result: msgspec.Raw
    artifacts: tuple[ArtifactInfo, ...] = ()
    steps: tuple[StepInfo, ...] = ()
    traffic: TrafficInfo | None = None
    free: Mapping[str, int]
    free_slots: Mapping[str, SlotNumbers] = {}
    seq: int


class Failed(_Message, frozen=True, kw_only=True, tag="failed"):
    """The task failed or was cancelled: `problem` by RFC 9457, as the HTTP API has it.

    `retryable` says whether another attempt makes sense.
    """

    id: str
    problem: Mapping[str, Any]
    retryable: bool = False
    artifacts: tuple[ArtifactInfo, ...] = ()
    steps: tuple[StepInfo, ...] = ()
    traffic: TrafficInfo | None = None
    free: Mapping[str, int]
    free_slots: Mapping[str, SlotNumbers] = {}
    seq: int


class Draining(_Message, frozen=True, kw_only=True, tag="draining"):
    """The worker is about to exit: no new task from here on, those that run are finished."""


class Reply(_Message, frozen=True, kw_only=True, tag="reply"):
    """The answer to an `ask`: status as of HTTP, and its JSON; or its bytes in `data` frames.

    `last` is false when `data` follows: `body` is then null, and `head` has `content_type` and
    `size`.
    """

    ask: str
    status: int
    head: Mapping[str, Any] = {}
    body: msgspec.Raw
    last: bool = True


# ---- balancer -> worker ----


class Welcome(_Message, frozen=True, kw_only=True, tag="welcome"):
    """The balancer accepts the worker. `running` are the tasks it takes for running there.

    The worker goes on with these, says again how those ended that have, and cancels what it has
    of this balancer's boot beside them.
    """

    protocol: str
    name: str
    boot: str
    running: tuple[Claim, ...] = ()


class Rejected(_Message, frozen=True, kw_only=True, tag="rejected"):
    """The balancer does not accept the worker, and closes."""

    reason: str


class TaskMessage(_Message, frozen=True, kw_only=True, tag="task"):
    """Run this task: now, or not at all. One attempt; `timeout_s` counts from its start.

    `input` has its defaults filled in. `pool` None means the function's own. `slot` is the number
    of one slot of a persistent `pool`, the only one that will do; such a task goes to no worker
    before 1.4.
    """

    id: TaskId
    function: str
    contract: int
    input: Mapping[str, Any] = {}
    pool: str | None = None
    slot: int | None = None
    owner: str
    source: SourceInfo
    priority: int = 5
    timeout_s: float
    attempt: int = 1
    metadata: Mapping[str, Any] = {}
    trace: tuple[tuple[str, str], ...] = ()
    mode: ModeName = "sync"
    created_at: float


class Cancel(_Message, frozen=True, kw_only=True, tag="cancel"):
    """End the task; `done` or `failed` tells when it has."""

    id: str
    reason: str


class Ask(_Message, frozen=True, kw_only=True, tag="ask"):
    """Ask the worker for something that is no task; `ask` is the question's own id.

    `artifact` wants `task` and `name`, `task_logs` wants `task` and perhaps `step`, `logs`
    perhaps `level` and `limit`, `drain` perhaps `deadline_s`.
    """

    ask: str
    what: Wish
    task: TaskId | None = None
    name: str | None = None
    step: str | None = None
    level: str | None = None
    limit: int | None = None
    deadline_s: float | None = None


class StopAsking(_Message, frozen=True, kw_only=True, tag="stop_asking"):
    """Nobody waits for the answer any more."""

    ask: str


# ---- both ----


class Heartbeat(_Message, frozen=True, kw_only=True, tag="heartbeat"):
    """Still here; sent when nothing else was for a second."""


class Credit(_Message, frozen=True, kw_only=True, tag="credit"):
    """So many more messages about the task (or pieces of the answer) may be under way."""

    id: str
    count: int


# ---- headers of binary frames: a line of JSON, then bytes ----


class PartHeader(_Message, frozen=True, kw_only=True, tag="part"):
    """A piece of a message that is larger than a frame; `id` is the task or ask it is about."""

    id: str
    last: bool = False


class DataHeader(_Message, frozen=True, kw_only=True, tag="data"):
    """A piece of the answer to an `ask`, as it is."""

    ask: str
    last: bool = False


class Data(msgspec.Struct, frozen=True):
    """A piece of an answer as the link hands it over."""

    ask: str
    body: bytes
    last: bool = False


FromWorker = (
    Hello
    | Functions
    | Tags
    | Report
    | Started
    | Refused
    | EventMessage
    | LogMessage
    | Done
    | Failed
    | Draining
    | Reply
    | Heartbeat
    | Credit
)
FromBalancer = (
    Welcome
    | Rejected
    | TaskMessage
    | Cancel
    | Ask
    | StopAsking
    | Heartbeat
    | Credit
)  # fmt: skip
Message = FromWorker | FromBalancer
