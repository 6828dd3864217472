"""The prefetch buffer: durable tasks that wait in memory, ahead of those on disk. No I/O."""

import bisect
import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from slotgrid.core.task import Task

BUFFER_SIZE = 200
"""Tasks of a class that wait in memory; the others wait on disk."""


@dataclass(slots=True)
class Held:
    """A task in memory.

    `waits` is true until its first start or its end; `start_emitted` once its
    events contain the start. `last_recorded` is the number of its last recorded event.
    """

    task: Task
    class_key: str
    key: float
    waits: bool = True
    start_emitted: bool = False
    last_recorded: int = 0


@dataclass(slots=True)
class _Class:
    """One class: sorted keys of its waiting tasks in memory, its tasks in memory, and its disk.

    `disk` is a lower bound for the keys of tasks on disk that may start; None without any.
    `reading` is that bound for the read that is under way. `early_at` is the earliest
    `not_before` on disk, in seconds since the epoch.
    """

    keys: list[float] = field(default_factory=list)
    held: int = 0
    disk: float | None = None
    reading: float | None = None
    early_at: float | None = None

    @property
    def ahead(self) -> int:
        """Number of waiting tasks in memory that start before any task on disk."""
        return len(self.keys) if self.disk is None else bisect.bisect_left(self.keys, self.disk)


class PrefetchBuffer:
    """The next tasks of each class, kept in the order of the queue together with those on disk.

    Prefetch the next tasks from disk before the buffer runs empty (`is_low`). If slots are faster
    than the prefetch, `overtakes` is true for a task that would start before a task on disk.
    """

    def __init__(self, *, size: int = BUFFER_SIZE) -> None:
        self._size = size
        self._held: dict[str, Held] = {}
        self._classes: dict[str, _Class] = {}

    def __contains__(self, task_id: object) -> bool:
        return task_id in self._held

    def __iter__(self) -> Iterator[Held]:
        return iter(list(self._held.values()))

    def get(self, task_id: str) -> Held | None:
        """The task of that id, if it is held."""
        return self._held.get(task_id)

    def admits(self, class_key: str, key: float) -> bool:
        """Return whether a new task belongs in the buffer; if not, note that it is on disk."""
        kind = self._class(class_key)
        behind = bisect.bisect_right(kind.keys, key)
        if behind < self._size and (kind.disk is None or key < kind.disk):
            return True
        self.note_disk(class_key, key)
        return False

    def note_disk(self, class_key: str, key: float) -> None:
        """Note that the class has tasks on disk, none with a key below `key`."""
        kind = self._class(class_key)
        kind.disk = key if kind.disk is None else min(kind.disk, key)

    def note_early(self, class_key: str, at: float) -> None:
        """Note a task on disk that may not start before `at` (seconds since the epoch)."""
        kind = self._class(class_key)
        kind.early_at = at if kind.early_at is None else min(kind.early_at, at)

    def collect_due(self, now: float) -> list[str]:
        """Return classes whose earliest `not_before` has passed; note their tasks on disk."""
        due = [
            class_key
            for class_key, kind in self._classes.items()
            if kind.early_at is not None and kind.early_at <= now
        ]
        for class_key in due:
            self._classes[class_key].early_at = None
            self.note_disk(class_key, -math.inf)
        return due

    def hold(self, task: Task, class_key: str, key: float) -> Held:
        """Add a waiting task, which must not be in the buffer yet."""
        assert task.id not in self._held
        kind = self._class(class_key)
        bisect.insort(kind.keys, key)
        kind.held += 1
        held = self._held[task.id] = Held(
            task, class_key, key, last_recorded=task.events.begins_after
        )
        return held

    def leave_queue(self, held: Held) -> bool:
        """Note that the task starts or has ended; False if noted before, as at a second attempt."""
        if not held.waits:
            return False
        held.waits = False
        keys = self._classes[held.class_key].keys
        del keys[bisect.bisect_left(keys, held.key)]
        return True

    def drop(self, task_id: str) -> None:
        """Remove the task: its end is recorded, or another node owns it."""
        held = self._held.pop(task_id, None)
        if held is None:
            return
        self.leave_queue(held)
        kind = self._classes[held.class_key]
        kind.held -= 1
        self._forget_if_empty(held.class_key, kind)

    def _forget_if_empty(self, class_key: str, kind: _Class) -> None:
        if kind == _Class():  # callers may name any number of places, and each is a class
            del self._classes[class_key]

    def is_low(self, class_key: str) -> bool:
        """Whether to prefetch the next tasks of the class: half of the buffer or less is ahead."""
        kind = self._class(class_key)
        return kind.disk is not None and kind.ahead <= self._size // 2

    def low_classes(self) -> list[str]:
        """The classes to prefetch."""
        return [class_key for class_key in self._classes if self.is_low(class_key)]

    def begin_read(self, class_key: str) -> float:
        """Begin a read; returns the old `disk`.

        Tasks noted from now on are on disk in addition to the tasks that the read finds.
        """
        kind = self._class(class_key)
        assert kind.disk is not None
        kind.reading, kind.disk = kind.disk, None
        return kind.reading

    def continue_read(self, class_key: str, key: float) -> None:
        """Read on: no task on disk that the read still looks for has a key below `key`."""
        self._class(class_key).reading = key

    def room(self, class_key: str) -> tuple[int, int]:
        """During a read: the number of tasks that may still be prefetched, and of those held."""
        kind = self._class(class_key)
        assert kind.reading is not None
        ahead = bisect.bisect_left(kind.keys, kind.reading)
        return max(0, self._size - ahead), kind.held

    def end_read(self, class_key: str) -> None:
        """End a read. Its tasks are already held, and the rest on disk is noted."""
        kind = self._class(class_key)
        kind.reading = None
        self._forget_if_empty(class_key, kind)

    def overtakes(self, held: Held) -> bool:
        """Whether a task on disk has, or may have, a smaller key."""
        kind = self._classes[held.class_key]
        return any(at is not None and at < held.key for at in (kind.disk, kind.reading))

    def _class(self, class_key: str) -> _Class:
        kind = self._classes.get(class_key)
        if kind is None:
            kind = self._classes[class_key] = _Class()
        return kind
