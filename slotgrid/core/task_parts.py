"""The parts of a task: its source, attempts, steps and artifacts."""

import time
from collections.abc import AsyncIterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

import msgspec
import orjson

from slotgrid.core.deadlines import iso
from slotgrid.core.errors import ServiceError
from slotgrid.core.task_states import StepState

FILE_LIMIT = 100 * 1024 * 1024
"""Bytes of one file that a task saves, unless ARTIFACT_LIMIT sets another limit."""
FileData = bytes | str | Path | BinaryIO | AsyncIterable[bytes]
"""What a file is saved from; all but bytes and text are read in pieces."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file that a task saved. `url` is relative to the node that answers."""

    name: str
    size: int
    content_type: str
    url: str

    @classmethod
    def of(cls, task_id: str, name: str, size: int, content_type: str) -> "Artifact":
        """The file of that task."""
        return cls(name, size, content_type, f"/tasks/{task_id}/artifacts/{quote(name)}")


class Source(msgspec.Struct, frozen=True, gc=False):
    """What started a task: kind is api, dashboard, schedule, hook, flow, call or retry."""

    kind: str
    id: str | None = None


API = Source("api")


def attempt_line(attempt: Mapping[str, Any]) -> str:
    """The log line of an attempt that is given as JSON."""
    # Records of earlier versions have no pool: they number the slots of all pools together.
    return _line(attempt["number"], attempt["worker"], attempt.get("pool"), attempt["slot"])


def _line(number: int, worker: str, pool: str | None, slot: int | None) -> str:
    if slot is None:
        return f"attempt {number} on {worker}"
    if pool is None:
        return f"attempt {number} on slot {slot} of {worker}"
    return f"attempt {number} on slot {slot} of {worker}, pool {pool}"


class Traffic(msgspec.Struct):
    """What pages moved over the network: bytes, TLS included, and connections to targets."""

    received_bytes: int = 0
    sent_bytes: int = 0
    connections: int = 0

    @property
    def total_bytes(self) -> int:
        """Bytes in both directions."""
        return self.received_bytes + self.sent_bytes

    def to_json(self) -> dict[str, int]:
        """The traffic as `GET /tasks/{id}` shows it."""
        return {
            "received_bytes": self.received_bytes,
            "sent_bytes": self.sent_bytes,
            "connections": self.connections,
        }

    def __add__(self, other: "Traffic") -> "Traffic":
        return Traffic(
            self.received_bytes + other.received_bytes,
            self.sent_bytes + other.sent_bytes,
            self.connections + other.connections,
        )


class Attempt(msgspec.Struct, eq=False):
    """One run of a task; times are seconds since the epoch.

    `slot` is the number of the slot in its `pool`; None until the worker reports it. Without a
    slot, `pool` is None too.
    """

    number: int
    started_at: float
    worker: str
    pool: str | None
    slot: int | None
    ended_at: float | None = None
    error: ServiceError | None = None

    def line(self) -> str:
        """The attempt's line in the task's log."""
        return _line(self.number, self.worker, self.pool, self.slot)

    def to_json(self) -> dict[str, Any]:
        """The attempt as `GET /tasks/{id}` shows it."""
        return {
            "number": self.number,
            "worker": self.worker,
            "pool": self.pool,
            "slot": self.slot,
            "started_at": iso(self.started_at),
            "ended_at": iso(self.ended_at),
            "error": self.error.to_problem() if self.error else None,
        }


@dataclass(slots=True)
class Step:
    """One part of a task; times are seconds since the epoch, `input` and `output` are JSON.

    `function` is the function that the step runs; if the step runs an `action`, it is the function
    that the step belongs to. `worker` is the node on which the step runs. `started_at` is None
    before the start.
    """

    name: str
    function: str
    state: StepState = StepState.RUNNING
    started_at: float | None = field(default_factory=time.time)
    ended_at: float | None = None
    output: bytes = b"null"
    error: str | None = None
    input: bytes = b"null"
    worker: str | None = None
    action: str | None = None

    @property
    def size(self) -> int:
        """Approximate bytes that the step takes in memory."""
        return 512 + len(self.input) + len(self.output)

    @classmethod
    def pending(cls, name: str, function: str, *, action: str | None = None) -> "Step":
        """A step that has not started."""
        return cls(name, function, StepState.PENDING, started_at=None, action=action)

    def begin(self, *, worker: str | None, input: bytes) -> None:  # noqa: A002
        """Start a pending or ready step."""
        self.state, self.worker, self.input = StepState.RUNNING, worker, input
        self.started_at = time.time()

    def end(self, state: StepState, *, output: bytes = b"null", error: str | None = None) -> None:
        """End the step in the given state."""
        self.state, self.output, self.error = state, output, error
        self.ended_at = time.time()

    def close(self) -> None:
        """End a step whose attempt is over: a running one is cancelled, others are skipped."""
        if self.state is StepState.RUNNING:
            self.end(StepState.CANCELLED)
        elif self.state in {StepState.PENDING, StepState.READY}:
            self.end(StepState.SKIPPED)

    def to_json(self) -> dict[str, Any]:
        """The step as `GET /tasks/{id}` shows it."""
        return {
            "name": self.name,
            "function": self.function,
            "action": self.action,
            "status": self.state,
            "worker": self.worker,
            "started_at": iso(self.started_at),
            "ended_at": iso(self.ended_at),
            "input": orjson.Fragment(self.input),
            "output": orjson.Fragment(self.output),
            "error": self.error,
        }
