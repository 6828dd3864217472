"""The limits of what tasks save: the bytes of one file, and of all files of a task."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from slotgrid.core.task import Task
from slotgrid.core.task_parts import FILE_LIMIT

TASK_LIMIT = 1024 * 1024 * 1024


class ArtifactFault(ValueError):
    """A file is refused for its name, its size or its source."""


@dataclass(frozen=True, kw_only=True)
class ArtifactLimits:
    """`file_bytes` of one file, `task_bytes` of all files of a task.

    Files that are being written count too: many at once stay within the limit.
    """

    file_bytes: int = FILE_LIMIT
    task_bytes: int = TASK_LIMIT
    _in_progress: Counter[str] = field(default_factory=Counter, repr=False)

    @contextmanager
    def writing(self, task: Task, name: str) -> "Iterator[Growth]":
        """Count a file of the task while it is written in this block."""
        growth = Growth(self, task, name)
        try:
            yield growth
        finally:
            self._in_progress[task.id] -= growth.size
            if not self._in_progress[task.id]:
                del self._in_progress[task.id]

    def _check(self, task: Task, name: str, size: int, of_others: int) -> None:
        if size > self.file_bytes:
            raise ArtifactFault(
                f"{name} has {size} bytes; a file may have {self.file_bytes} (ARTIFACT_LIMIT)"
            )
        kept = sum(file.size for file in task.artifacts.values() if file.name != name)
        if kept + of_others + size > self.task_bytes:
            raise ArtifactFault(
                f"with {name} of {size} bytes the task's files have {kept + of_others + size}; "
                f"together they may have {self.task_bytes} (TASK_ARTIFACTS_LIMIT)"
            )


class Growth:
    """A file that is being written: its bytes so far."""

    def __init__(self, limits: ArtifactLimits, task: Task, name: str) -> None:
        self._limits = limits
        self._task = task
        self._name = name
        self.size = 0

    def check(self, size: int) -> None:
        """Raises ArtifactFault if the file may not have this size."""
        others = self._limits._in_progress[self._task.id] - self.size
        self._limits._check(self._task, self._name, size, others)

    def add(self, count: int) -> None:
        """Add bytes that are written next. Raises ArtifactFault beyond a limit."""
        self.check(self.size + count)
        self.size += count
        self._limits._in_progress[self._task.id] += count
