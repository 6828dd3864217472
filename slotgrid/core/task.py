"""A task: one request to run one function, from acceptance to its one terminal state."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import msgspec
import orjson
import uuid_utils

from slotgrid.core.deadlines import iso
from slotgrid.core.errors import ServiceError
from slotgrid.core.event_log import NO_WAITERS, Event, EventLog, Follower
from slotgrid.core.spec import FunctionSpec
from slotgrid.core.submission import Submission
from slotgrid.core.task_parts import API, Artifact, Attempt, Source, Step, Traffic
from slotgrid.core.task_retry import StepRetry
from slotgrid.core.task_states import COMPLETED, MOVES, QUEUED, RUNNING, TaskState

LOG_LINES_LIMIT = 2000
LOG_BYTES_LIMIT = 1024 * 1024
LINE_CHARS = 16 * 1024
"""Characters of a line in a task's log; the rest of a longer line is cut off."""
NODE_STEP = "_node"
"""The step of the node's own lines in a task's log."""
MAIN_STEP = "main"
"""The step of the task's own function."""


class IllegalMove(RuntimeError):
    """A move of a task or lease that `MOVES` does not list: a defect of the node."""


def new_id() -> str:
    """An id for a task: a UUIDv7, which sorts by creation time."""
    return str(uuid_utils.uuid7())


class Task(msgspec.Struct, eq=False):
    """A task and its whole state. Only the supervisor moves it.

    `input` includes the defaults; `result` is JSON. `logs` is the task's log, to read and follow;
    `has_lines`: it may have more than the lines of attempts and end. `traffic` is that of the
    attempts that have ended; None if none used a guarded browser. `announced`: the task has ended
    and its waiters are woken. `on_begin` is called once, when a remote worker has begun the task.
    `was_refused`: a slot was assigned to it and refused it.
    Of a step's task: `parent` is the id of the flow's task, `step` the step's name, and `retry`
    that of the step, if it has one.
    `has_share`: the number of its owner's tasks that run at once is limited on this node.
    `plain_names`: its balancer takes no other names of files than `file_names.plain_name` makes.
    Fields ending in `_at` are seconds since the epoch, for display; durations use the monotonic
    clock.
    A msgspec struct, as most fields keep their defaults, and a struct fills those in fast.
    """

    submission: Submission
    spec: FunctionSpec
    owner: str
    input: Any
    source: Source = API
    has_share: bool = False
    id: str = msgspec.field(default_factory=new_id)
    state: TaskState = QUEUED
    created_at: float = msgspec.field(default_factory=time.time)
    started_at: float | None = None
    finished_at: float | None = None
    queued_mono: float = msgspec.field(default_factory=time.monotonic)
    started_mono: float = 0.0
    queued_s: float = 0.0
    run_s: float = 0.0
    lost_starts: int = 0
    attempts: list[Attempt] = []
    steps: list[Step] = []
    artifacts: dict[str, Artifact] = {}
    traffic: Traffic | None = None
    worker: str | None = None
    result: bytes = b"null"
    error: ServiceError | None = None
    cancel_reason: str | None = None
    logs: EventLog = msgspec.field(
        default_factory=lambda: EventLog(limit=LOG_LINES_LIMIT, bytes_limit=LOG_BYTES_LIMIT)
    )
    has_lines: bool = False
    announced: bool = False
    on_begin: Callable[[], None] | None = None
    plain_names: bool = False
    was_refused: bool = False
    parent: str | None = None
    step: str | None = None
    retry: StepRetry | None = None
    _events: EventLog | None = None
    _follower: Follower | None = None
    _waiters: frozenset[asyncio.Future[None]] = NO_WAITERS

    @property
    def kind(self) -> str:
        """The kind of its function."""
        return self.spec.kind

    @property
    def durable(self) -> bool:
        """Whether the task is recorded before it is accepted, and survives its process."""
        return self.submission.mode.durable or self.spec.always_durable

    @property
    def events(self) -> EventLog:
        """The task's events; created by the first event or reader.

        Few tasks have either, and `done` contains the result: made for every task, it takes a
        second copy of each result (100 KB for 100 KB) and 1 to 3 us.
        """
        if self._events is None:
            self._events = EventLog()
            if self._follower is not None:
                self._events.follow(self._follower)
            if self.state is COMPLETED:
                self._events.append("done", self.answer(), at=self.finished_at)
            if self.announced:
                self._events.close()
        return self._events

    @property
    def has_events(self) -> bool:
        """Whether the task may have events; does not create the event log."""
        return self._events is not None

    def follow(self, follower: Follower | None) -> None:
        """Notify `follower` of each new event, and pace the task by it; None removes it."""
        self._follower = follower
        if self._events is not None:
            self._events.follow(follower)

    def move_to(self, state: TaskState) -> None:
        """Change the state and the times. Raises IllegalMove for a move not in `MOVES`."""
        before = self.state
        if state not in MOVES[before]:
            raise IllegalMove(f"{self.id}: {before} -> {state}")
        now = time.monotonic()
        if before is RUNNING:
            self.run_s += now - self.started_mono
            self.queued_mono = now
        else:
            self.queued_s += now - self.queued_mono
        if state is RUNNING:
            self.started_mono = now
            self.started_at = self.started_at or time.time()
        elif state.terminal:
            self.finished_at = time.time()
        self.state = state
        if state.terminal:
            self._log_move(self._last_line())

    def restore(self, *, created_at: float, starts: int, first_event: int) -> None:
        """Restore a task that an earlier process accepted and started `starts` times.

        Its wait counts from `created_at`; ids of new events and log lines are above `first_event`.
        """
        self.created_at = created_at
        self.queued_mono = time.monotonic() - max(0.0, time.time() - created_at)
        self.lost_starts = starts
        if first_event:
            self.events.begin_after(first_event)
            self.logs.begin_after(first_event)
            self.has_lines = True  # earlier processes may have recorded lines: these follow them

    def begin_attempt(self, worker: str, slot: int | None, pool: str | None = None) -> None:
        """Start an attempt on a leased slot of `pool`, or on none.

        A remote worker reports the number of its slot later (`begin_on`).
        """
        self.move_to(RUNNING)
        self.worker = worker
        number = self.lost_starts + len(self.attempts) + 1
        attempt = Attempt(number, time.time(), worker, pool, slot)
        self.attempts.append(attempt)
        self._log_move(attempt.line())

    def begin_on(self, slot: int | None) -> None:
        """Record the worker's slot of the attempt that has begun; None if unknown."""
        if not self.attempts:
            return
        attempt = self.attempts[-1]
        if attempt.slot != slot:
            attempt.slot = slot
            self._log_move(attempt.line())
        began, self.on_begin = self.on_begin, None
        if began is not None:
            began()

    def end_attempt(self, error: ServiceError | None) -> None:
        """End the last attempt if it is still open."""
        if self.attempts and (attempt := self.attempts[-1]).ended_at is None:
            attempt.ended_at = time.time()
            attempt.error = error

    def undo_attempt(self) -> None:
        """Remove an attempt that the slot refused; the task keeps its place in the queue.

        The place is `queued_mono`, the arrival by which the queue is ordered.
        """
        queued_mono, offered_mono = self.queued_mono, self.started_mono
        self.move_to(QUEUED)
        self.queued_s -= offered_mono - queued_mono
        self.run_s -= self.queued_mono - offered_mono
        self.queued_mono = queued_mono
        self.was_refused = True
        self.attempts.pop()
        self.worker = self.attempts[-1].worker if self.attempts else None
        self.started_at = self.started_at if self.attempts else None

    def complete(self, result: bytes) -> None:
        """End the task as completed with `result`, JSON bytes."""
        self.move_to(COMPLETED)
        self.result = result
        self.attempts[-1].ended_at = self.finished_at
        if self._events is not None:
            self._events.append("done", self.answer())

    def announce_end(self) -> None:
        """Close the logs and wake the waiters; called once, after the end is recorded."""
        self.announced = True
        if self._events is not None:
            self._events.close()
        self.logs.close()
        if not self._waiters:
            return
        waiters, self._waiters = self._waiters, NO_WAITERS
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def wait_finished(self) -> None:
        """Wait until the task has ended and `announce_end` was called."""
        if self.announced:
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiters |= {waiter}
        try:
            await waiter
        finally:
            if waiter in self._waiters:
                self._waiters -= {waiter}

    def log(self, line: str, *, stream: str = "stdout", step: str = NODE_STEP) -> None:
        """Append a line to the task's log: an event whose kind is the step; see `log_line`.

        A line longer than LINE_CHARS is cut.
        """
        self.logs.append(step, (stream, cut_line(line)))
        self.has_lines = True

    def _log_move(self, line: str) -> None:
        """Append a line that can also be made from the task's record (`Record.own_lines`)."""
        self.logs.append(NODE_STEP, ("stdout", line))

    def _last_line(self) -> str:
        return f"{self.state}: {self.error.detail}" if self.error else str(self.state)

    def __repr__(self) -> str:
        # Without the input: it may contain secrets.
        return f"Task({self.id!r}, {self.spec.name!r}, {self.state!r})"

    def step_names(self) -> list[str]:
        """The step names that lines of the log can have."""
        return [NODE_STEP, MAIN_STEP, *(step.name for step in self.steps)]

    def footprint(self) -> int:
        """Approximate bytes that the task takes in memory."""
        size = 4096 + self.submission.size + len(self.result) + self.logs.size
        if self._events is not None:
            size += self._events.size
        return size + sum(step.size for step in self.steps)

    @property
    def timeout_s(self) -> float:
        """Seconds that an attempt may run: the function's ceiling, or less if requested."""
        requested_s = self.submission.timeout_s
        ceiling_s = self.spec.timeout_s
        return ceiling_s if requested_s is None else min(requested_s, ceiling_s)

    @property
    def queued_ms(self) -> float:
        """Milliseconds spent waiting for slots, up to now, to one decimal."""
        seconds = self.queued_s
        if self.state is QUEUED:
            seconds += time.monotonic() - self.queued_mono
        # `round` with digits converts to text, which is ten times slower.
        return int(seconds * 10_000 + 0.5) / 10

    @property
    def run_ms(self) -> float:
        """Milliseconds spent running, over all attempts, up to now, to one decimal."""
        seconds = self.run_s
        if self.state is RUNNING:
            seconds += time.monotonic() - self.started_mono
        return int(seconds * 10_000 + 0.5) / 10

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


def cut_line(line: str) -> str:
    """The line, cut to LINE_CHARS characters and the number of those cut off."""
    if len(line) <= LINE_CHARS:
        return line
    return f"{line[:LINE_CHARS]} … ({len(line) - LINE_CHARS} more characters)"


def log_line(event: Event) -> bytes:
    """A line of a task's log as JSON: `{ts, stream, step, line}`."""
    stream, line = orjson.loads(event.payload)
    return orjson.dumps({"ts": iso(event.at), "stream": stream, "step": event.kind, "line": line})
