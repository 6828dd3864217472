"""Which durable tasks are held in memory to wait for slots, and which stay on disk. No I/O."""

import bisect
from collections.abc import Iterator
from dataclasses import dataclass, field

from slotgrid.core.task import Task

WINDOW = 200
"""Tasks of a class held in memory to wait for slots; the others wait on disk."""


@dataclass(slots=True)
class Held:
    """A task in memory. `waits` until it first starts or ends; `said` once its start was told.

    `kept` is the number of its last event that is recorded.
    """

    task: Task
    class_key: str
    key: float
    waits: bool = True
    said: bool = False
    kept: int = 0


@dataclass(slots=True)
class _Class:
    """The keys of those that wait in memory, how many are held at all, and whether disk has more.

    `more` is never False while disk holds one that may start.
    """

    keys: list[float] = field(default_factory=list)
    held: int = 0
    more: bool = False


class Window:
    """The next tasks of each class. What is held has smaller keys than what disk holds, so that
    the order of the queue is kept over both.
    """

    def __init__(self, *, size: int = WINDOW) -> None:
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
        """Whether a new task is among the next of its class; if not, disk is noted to have it."""
        kind = self._class(class_key)
        ahead = bisect.bisect_right(kind.keys, key)
        # What lies on disk comes before whatever is behind the last one held.
        admitted = ahead < self._size and (not kind.more or ahead < len(kind.keys))
        kind.more = kind.more or not admitted
        return admitted

    def note_more(self, class_key: str) -> None:
        """Disk has tasks of that class."""
        self._class(class_key).more = True

    def note_read(self, class_key: str, *, more: bool) -> None:
        """Disk was read, and has more of that class than was taken, or not."""
        self._class(class_key).more = more

    def hold(self, task: Task, class_key: str, key: float) -> Held:
        """Hold a task that waits. It must not be held yet."""
        assert task.id not in self._held
        kind = self._class(class_key)
        bisect.insort(kind.keys, key)
        kind.held += 1
        held = self._held[task.id] = Held(task, class_key, key, kept=task.events.begins_after)
        return held

    def leave_queue(self, held: Held) -> bool:
        """The task starts or has ended; False when it had left before, as at a second attempt."""
        if not held.waits:
            return False
        held.waits = False
        keys = self._classes[held.class_key].keys
        del keys[bisect.bisect_left(keys, held.key)]
        return True

    def drop(self, task_id: str) -> None:
        """Hold the task no longer: its end is recorded."""
        held = self._held.pop(task_id, None)
        if held is not None:
            self._classes[held.class_key].held -= 1

    def short(self, class_key: str) -> bool:
        """Whether it is time to read the next ones of that class from disk."""
        kind = self._class(class_key)
        return kind.more and len(kind.keys) <= self._size // 2

    def wanting(self) -> list[tuple[str, int, int]]:
        """Classes to be read from disk: how many more each takes, and how many it holds."""
        return [
            (class_key, self._size - len(kind.keys), kind.held)
            for class_key, kind in self._classes.items()
            if self.short(class_key)
        ]

    def _class(self, class_key: str) -> _Class:
        kind = self._classes.get(class_key)
        if kind is None:
            kind = self._classes[class_key] = _Class()
        return kind
