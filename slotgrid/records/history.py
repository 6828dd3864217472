"""The tasks in memory, for `GET /tasks`: all live tasks and the last ended ones."""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from slotgrid.core.task import Task
from slotgrid.core.task_parts import Source
from slotgrid.core.task_states import TaskState

BYTES_LIMIT = 256 * 1024 * 1024
"""Memory limit of all finished tasks: results, events, inputs and logs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFilter:
    """Which tasks to select; None means any. `since` and `until` are seconds since the epoch.

    `parent` is the flow whose steps' tasks to select; None means tasks that are no steps'.
    `owner_only` is the only owner whose tasks the principal may see; `TaskService` sets it.
    """

    status: frozenset[TaskState] | None = None
    function: str | None = None
    group: str | None = None
    worker: str | None = None
    owner: str | None = None
    owner_only: str | None = None
    source: str | None = None
    schedule: str | None = None
    delivery: str | None = None
    parent: str | None = None
    since: float | None = None
    until: float | None = None
    q: str | None = None

    def accepts(self, task: Task) -> bool:
        """Whether the task matches the filter."""
        return (
            (self.status is None or task.state in self.status)
            and self.function in {None, task.spec.name}
            and self.group in {None, task.spec.group}
            and self.worker in {None, task.worker}
            and self.owner in {None, task.owner}
            and self.owner_only in {None, task.owner}
            and self.source in {None, task.source.kind}
            and self.parent == task.parent
            and (self.schedule is None or task.source == Source("schedule", self.schedule))
            and self.delivery is None  # only durable tasks have deliveries
            and (self.since is None or task.created_at >= self.since)
            and (self.until is None or task.created_at < self.until)
            and (self.q is None or self._mentions(task, self.q.lower()))
        )

    @staticmethod
    def _mentions(task: Task, text: str) -> bool:
        error = task.error.detail.lower() if task.error else ""
        return text in task.id or text in task.spec.name.lower() or text in error


class History:
    """Live tasks, and finished tasks within limits of number, age and bytes.

    `forget` is called with each evicted task, so that its files can be removed.
    """

    def __init__(
        self,
        *,
        limit: int,
        ttl_s: float,
        bytes_limit: int = BYTES_LIMIT,
        forget: Callable[[Task], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit = limit
        self._ttl_s = ttl_s
        self._bytes_limit = bytes_limit
        self._forget = forget
        self._clock = clock
        self._live: dict[str, Task] = {}
        # In the order of ending: the first task is the next to evict. A plain dict would skip
        # all deleted entries to find its first key.
        self._ended: OrderedDict[str, tuple[Task, float, int]] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._live) + len(self._ended)

    def add(self, task: Task) -> None:
        """Add an accepted task; also one that a balancer sends again for another attempt."""
        if (earlier := self._ended.pop(task.id, None)) is not None:
            self._bytes -= earlier[2]
        self._live[task.id] = task

    def end(self, task: Task) -> None:
        """Keep an ended task; evict the oldest ones beyond the limits."""
        if self._live.pop(task.id, None) is None:
            return  # already removed
        size = task.footprint()
        self._ended[task.id] = (task, self._clock(), size)
        self._bytes += size
        if len(self._ended) > self._limit or self._bytes > self._bytes_limit:
            self._drop_excess()

    def remove(self, task_id: str) -> None:
        """Remove a task that another node owns now, or whose record was removed."""
        self._live.pop(task_id, None)
        if (ended := self._ended.pop(task_id, None)) is not None:
            self._bytes -= ended[2]

    def get(self, task_id: str) -> Task | None:
        """The task of that id; None if it is unknown or evicted."""
        task = self._live.get(task_id)
        if task is None and (ended := self._ended.get(task_id)) is not None:
            task = ended[0]
        return task

    def expire(self) -> None:
        """Evict tasks beyond the limits; called periodically."""
        self._drop_excess()
        oldest_allowed = self._clock() - self._ttl_s
        while self._ended and next(iter(self._ended.values()))[1] < oldest_allowed:
            self._drop_oldest()

    def _drop_excess(self) -> None:
        while len(self._ended) > self._limit or self._bytes > self._bytes_limit:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        _, (task, _, size) = self._ended.popitem(last=False)
        self._bytes -= size
        self._forget(task)

    def matching(self, wanted: TaskFilter) -> list[Task]:
        """The matching tasks that are not durable, newest first."""
        self.expire()
        return [task for task in self._newest_first() if not task.durable and wanted.accepts(task)]

    def _newest_first(self) -> Iterator[Task]:
        tasks = [*self._live.values(), *(entry[0] for entry in self._ended.values())]
        # UUIDv7 sorts by time of creation.
        yield from sorted(tasks, key=lambda task: task.id, reverse=True)
