"""A task: one request to run one function, from acceptance to its one terminal state."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import orjson
import uuid_utils

from slotgrid.core.errors import ServiceError
from slotgrid.core.events import NOBODY, Event, EventLog

if TYPE_CHECKING:
    from slotgrid.core.spec import FunctionSpec
    from slotgrid.core.submission import Submission

LOG_LINES_LIMIT = 2000
LOG_BYTES_LIMIT = 1024 * 1024
NODE_STEP = "_node"
"""The step under which the node itself writes into a task's log."""
MAIN_STEP = "main"
"""The step of the task's own function."""


class TaskState(StrEnum):
    """Where a task stands."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def terminal(self) -> bool:
        """Whether nothing can follow."""
        return not MOVES[self]


MOVES: Mapping[TaskState, frozenset[TaskState]] = {
    TaskState.QUEUED: frozenset({TaskState.RUNNING, TaskState.FAILED, TaskState.CANCELLED}),
    # Back to queued: an attempt failed and another is allowed, or the slot refused the task.
    TaskState.RUNNING: frozenset(
        {TaskState.QUEUED, TaskState.COMPLETED, TaskState.FAILED, TaskState.CANCELLED}
    ),
    TaskState.COMPLETED: frozenset(),
    TaskState.FAILED: frozenset(),
    TaskState.CANCELLED: frozenset(),
}


class IllegalMove(RuntimeError):
    """A task was told to go where `MOVES` does not lead: a defect of ours, never a caller's."""


class StepState(StrEnum):
    """Where one part of a task stands."""

    PENDING = "pending"
    READY = "ready"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment on the monotonic clock, fixed when the wait for it begins."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> "Deadline":
        """The moment that many seconds from now."""
        return cls(time.monotonic() + seconds)

    @property
    def remaining_s(self) -> float:
        """Seconds left, never below 0."""
        return max(0.0, self.at - time.monotonic())


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file that a task saved. `url` is relative to the node that is asked."""

    name: str
    size: int
    content_type: str
    url: str


@dataclass(frozen=True, slots=True)
class Source:
    """What started a task: kind is api, dashboard, schedule, hook, flow, call or retry."""

    kind: str
    id: str | None = None


API = Source("api")


@dataclass(slots=True)
class Attempt:
    """One run of a task; times are seconds since the epoch."""

    number: int
    started_at: float
    worker: str
    slot: int
    ended_at: float | None = None
    error: ServiceError | None = None

    def to_json(self) -> dict[str, Any]:
        """The attempt as `GET /tasks/{id}` shows it."""
        return {
            "number": self.number,
            "worker": self.worker,
            "slot": self.slot,
            "started_at": iso(self.started_at),
            "ended_at": iso(self.ended_at),
            "error": self.error.to_problem() if self.error else None,
        }


@dataclass(slots=True)
class Step:
    """One part of a task, with its timing in seconds since the epoch."""

    name: str
    function: str
    state: StepState = StepState.RUNNING
    started_at: float = field(default_factory=time.time)
    ended_at: float | None = None
    output: Any = None
    error: str | None = None

    def end(self, state: StepState, *, output: Any = None, error: str | None = None) -> None:
        """The step has ended."""
        self.state, self.output, self.error = state, output, error
        self.ended_at = time.time()

    def to_json(self) -> dict[str, Any]:
        """The step as `GET /tasks/{id}` shows it."""
        return {
            "name": self.name,
            "function": self.function,
            "status": self.state,
            "started_at": iso(self.started_at),
            "ended_at": iso(self.ended_at),
            "output": self.output,
            "error": self.error,
        }


class Task:
    """A task and everything that is known of it. Only the supervisor moves it.

    `input` has its defaults filled in; `result` is JSON. Times ending in `_at` are seconds
    since the epoch, for showing; durations come from the monotonic clock.
    """

    __slots__ = (
        "_waiters",
        "artifacts",
        "attempts",
        "cancel_reason",
        "created_at",
        "error",
        "events",
        "finished_at",
        "id",
        "input",
        "logs",
        "lost_starts",
        "owner",
        "queued_mono",
        "queued_s",
        "result",
        "run_s",
        "source",
        "spec",
        "started_at",
        "started_mono",
        "state",
        "steps",
        "submission",
        "worker",
    )  # fmt: skip

    def __init__(
        self,
        submission: "Submission",
        spec: "FunctionSpec",
        *,
        owner: str,
        source: Source = API,
        input: Any = None,  # noqa: A002  the word of the API
        id: str | None = None,  # noqa: A002  likewise
    ) -> None:
        self.id = id or str(uuid_utils.uuid7())
        self.input = submission.input if input is None else input
        self.submission = submission
        self.spec = spec
        self.owner = owner
        self.source = source
        self.state = TaskState.QUEUED
        self.created_at = time.time()
        self.started_at: float | None = None
        self.finished_at: float | None = None
        self.queued_mono = time.monotonic()
        self.started_mono = 0.0
        self.queued_s = 0.0
        self.run_s = 0.0
        self.lost_starts = 0
        self.attempts: list[Attempt] = []
        self.steps: list[Step] = []
        self.events = EventLog()
        self.logs = EventLog(limit=LOG_LINES_LIMIT, bytes_limit=LOG_BYTES_LIMIT)
        self.artifacts: dict[str, Artifact] = {}
        self.worker: str | None = None
        self.result: bytes = b"null"
        self.error: ServiceError | None = None
        self.cancel_reason: str | None = None
        self._waiters = NOBODY

    def move_to(self, state: TaskState) -> None:
        """Take a legal step in the task's life. Raises IllegalMove for any other."""
        if state not in MOVES[self.state]:
            raise IllegalMove(f"{self.id}: {self.state} -> {state}")
        now = time.monotonic()
        if state is TaskState.RUNNING:
            self.queued_s += now - self.queued_mono
            self.started_mono = now
            self.started_at = self.started_at or time.time()
        elif self.state is TaskState.QUEUED:
            self.queued_s += now - self.queued_mono
        else:
            self.run_s += now - self.started_mono
            self.queued_mono = now
        self.state = state
        if state.terminal:
            self.finished_at = time.time()

    def restore(self, *, created_at: float, starts: int, first_event: int) -> None:
        """Become the task that an earlier process accepted, and began `starts` times.

        It waits since `created_at`, and what it says goes on above `first_event`.
        """
        self.created_at = created_at
        self.queued_mono = time.monotonic() - max(0.0, time.time() - created_at)
        self.lost_starts = starts
        self.events.begin_after(first_event)

    def begin_attempt(self, worker: str, slot: int) -> None:
        """A slot was leased, and the function starts on it."""
        self.move_to(TaskState.RUNNING)
        self.worker = worker
        number = self.lost_starts + len(self.attempts) + 1
        self.attempts.append(Attempt(number, time.time(), worker, slot))

    def end_attempt(self, error: ServiceError | None) -> None:
        """The last attempt, if it is still open, has ended."""
        if self.attempts and self.attempts[-1].ended_at is None:
            self.attempts[-1].ended_at = time.time()
            self.attempts[-1].error = error

    def undo_attempt(self) -> None:
        """The slot refused the task: as if it had never been offered, so the task keeps its place.

        The place is `queued_mono`, the arrival that the queue orders by.
        """
        queued_mono, offered_mono = self.queued_mono, self.started_mono
        self.move_to(TaskState.QUEUED)
        self.queued_s -= offered_mono - queued_mono
        self.run_s -= self.queued_mono - offered_mono
        self.queued_mono = queued_mono
        self.attempts.pop()
        self.worker = self.attempts[-1].worker if self.attempts else None
        self.started_at = self.started_at if self.attempts else None

    def announce_end(self) -> None:
        """Wake everyone who waits for the terminal state; called once, after it is recorded."""
        self.events.close()
        self.logs.close()
        waiters, self._waiters = self._waiters, NOBODY
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def wait_finished(self) -> None:
        """Return when the task has reached its terminal state and said its last word."""
        if self.events.closed:
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiters |= {waiter}
        try:
            await waiter
        finally:
            if waiter in self._waiters:
                self._waiters -= {waiter}

    def log(self, line: str, *, stream: str = "stdout", step: str = NODE_STEP) -> None:
        """Add a line to the task's log: an event whose kind is the step; see `log_line`."""
        self.logs.append(step, (stream, line))

    def step_names(self) -> list[str]:
        """The names under which lines of the log may stand."""
        return [NODE_STEP, MAIN_STEP, *(step.name for step in self.steps)]

    def footprint(self) -> int:
        """Bytes that remembering the task takes, roughly."""
        kept = self.events.size + self.logs.size + self.submission.size + len(self.result)
        return 4096 + kept

    @property
    def queued_ms(self) -> float:
        """Milliseconds spent waiting for slots, up to now."""
        waiting = self.state is TaskState.QUEUED
        extra = time.monotonic() - self.queued_mono if waiting else 0.0
        return round((self.queued_s + extra) * 1000, 1)

    @property
    def run_ms(self) -> float:
        """Milliseconds spent running, over all attempts, up to now."""
        running = self.state is TaskState.RUNNING
        extra = time.monotonic() - self.started_mono if running else 0.0
        return round((self.run_s + extra) * 1000, 1)

    def answer(self) -> dict[str, Any]:
        """The answer of mode `sync`, and the payload of the event `done`."""
        return {
            "success": True,
            "id": self.id,
            "result": orjson.Fragment(self.result),
            "worker": self.worker,
            "queued_ms": self.queued_ms,
            "run_ms": self.run_ms,
        }


def log_line(event: Event) -> bytes:
    """A line of a task's log as JSON: `{ts, stream, step, line}`."""
    stream, line = orjson.loads(event.payload)
    return orjson.dumps({"ts": iso(event.at), "stream": stream, "step": event.kind, "line": line})


def iso(at: float | None) -> str | None:
    """Seconds since the epoch as ISO 8601 in UTC, to the millisecond; None stays None."""
    if at is None:
        return None
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
