"""Where tasks and their steps stand, and where they can go from there."""

from collections.abc import Mapping
from enum import StrEnum


class TaskState(StrEnum):
    """Where a task stands. `terminal` says whether nothing can follow."""

    terminal: bool

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    def __init__(self, word: str) -> None:
        # Not looked up in `MOVES`: it is asked several times of each task.
        self.terminal = word in {"completed", "failed", "cancelled"}


QUEUED, RUNNING, COMPLETED, FAILED, CANCELLED = TaskState
"""The same by names of their own, since Python 3.11 is slow to look up a member of an enum."""

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
    """Where one part of a task stands."""

    PENDING = "pending"
    READY = "ready"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"
