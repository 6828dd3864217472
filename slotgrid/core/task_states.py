"""The states of tasks and steps, and the legal moves between task states."""

from collections.abc import Mapping
from enum import StrEnum


class TaskState(StrEnum):
    """The state of a task. `terminal`: no further move is possible."""

    terminal: bool

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    def __init__(self, word: str) -> None:
        # Computed once, not looked up in `MOVES`: every task reads it several times.
        self.terminal = word in {"completed", "failed", "cancelled"}


QUEUED, RUNNING, COMPLETED, FAILED, CANCELLED = TaskState
"""The members as constants, since Python 3.11 looks up enum members slowly."""

MOVES: Mapping[TaskState, tuple[TaskState, ...]] = {
    QUEUED: (RUNNING, FAILED, CANCELLED),
    # Back to queued: an attempt failed and another is allowed, or the slot refused the task.
    RUNNING: (
        COMPLETED,
        FAILED,
        CANCELLED,
        QUEUED,
    ),
    COMPLETED: (),
    FAILED: (),
    CANCELLED: (),
}


class StepState(StrEnum):
    """The state of one step of a task."""

    PENDING = "pending"
    READY = "ready"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"
