"""The feed of a node: each change of its tasks, for any number of listeners, who slow nothing."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass

import msgspec

from slotgrid.core.errors import QueueFull, ServiceError
from slotgrid.core.observer import Observer
from slotgrid.core.principal import Principal
from slotgrid.core.task import Task
from slotgrid.core.task_parts import Source
from slotgrid.tasks.event_stream import Missed

KEPT = 1000
"""Changes in memory, for listeners that connect again."""
BACKLOG = 1000
"""Changes that a listener may be behind."""
LISTENERS_MOST = 500


class ChangeError(msgspec.Struct, frozen=True, gc=False):
    """The problem that ended an attempt or the task."""

    type: str
    detail: str


class TaskChange(msgspec.Struct, frozen=True, gc=False):
    """One change of one task, as it was then. `slot` numbers the slots of `pool`."""

    task: str
    function: str
    group: str
    contract: int
    owner: str
    mode: str
    source: Source
    status: str
    attempt: int
    worker: str | None
    pool: str | None
    slot: int | None
    parent: str | None
    step: str | None
    queued_ms: float
    run_ms: float
    error: ChangeError | None


class FeedEvent(msgspec.Struct, frozen=True, gc=False):
    """A change with its id, kind (`queued`, `started`, `retrying`, `ended`) and time."""

    id: int
    kind: str
    at: float
    change: TaskChange


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedFilter:
    """Which changes a listener gets; None accepts all. `slot` is a number in its pool."""

    owner: str | None = None
    function: str | None = None
    group: str | None = None
    worker: str | None = None
    pool: str | None = None
    slot: int | None = None
    parent: str | None = None

    def accepts(self, change: TaskChange) -> bool:
        """Whether the change has all members of the filter."""
        return (
            self.owner in (None, change.owner)
            and self.function in (None, change.function)
            and self.group in (None, change.group)
            and self.worker in (None, change.worker)
            and self.pool in (None, change.pool)
            and self.slot in (None, change.slot)
            and self.parent in (None, change.parent)
        )


class TaskFeed(Observer):
    """Keeps the last changes and hands each to the listeners that want it.

    Ids grow, over restarts of the node too. A durable task that waits on disk is told when the node
    loads it, as `queued`.
    """

    def __init__(self) -> None:
        self._last_id = int(time.time() * 1_000_000)
        self._first_id = self._last_id
        self._kept: deque[FeedEvent] = deque(maxlen=KEPT)
        self._listeners: set[Listener] = set()
        self.ended = asyncio.Event()

    # Observer

    def accepted(self, task: Task) -> None:
        """A task waits for a slot."""
        self._tell("queued", task)

    def started(self, task: Task) -> None:
        """An attempt runs."""
        self._tell("started", task)

    def will_retry(self, task: Task, error: ServiceError, delay_s: float) -> None:
        """An attempt has failed, and another follows."""
        del delay_s
        self._tell("retrying", task, error)

    def finished(self, task: Task) -> None:
        """A task has ended."""
        self._tell("ended", task, task.error)

    # Listeners

    def listen(
        self, principal: Principal, wanted: FeedFilter, *, after: int | None = None
    ) -> "Listener":
        """A listener, to be used by `async with`; `after` resumes after the change of that id.

        Raises QueueFull above LISTENERS_MOST.
        """
        if len(self._listeners) >= LISTENERS_MOST:
            raise QueueFull(f"{LISTENERS_MOST} callers listen to the changes of tasks")
        listener = Listener(self, principal, wanted)
        if after is not None:
            oldest = self._kept[0].id if self._kept else self._last_id + 1
            if after < oldest - 1:
                # Ids of an earlier process say nothing about how many changes there were.
                known = after >= self._first_id
                listener.miss(oldest - 1 - after if known else None)
            for event in self._kept:
                if event.id > after:
                    listener.offer(event)
        self._listeners.add(listener)
        return listener

    async def wait_ended(self) -> None:
        """Wait until no change can follow."""
        await self.ended.wait()

    def remove(self, listener: "Listener") -> None:
        """Forget a listener."""
        self._listeners.discard(listener)

    def end(self) -> None:
        """End all listeners: the node stops."""
        self.ended.set()
        for listener in self._listeners:
            listener.wake()

    def _tell(self, kind: str, task: Task, error: ServiceError | None = None) -> None:
        self._last_id += 1
        event = FeedEvent(self._last_id, kind, time.time(), _change(task, error))
        self._kept.append(event)
        for listener in self._listeners:
            listener.offer(event)


class Listener:
    """Iterates over changes as they occur; a `Missed` stands for those it was too slow for."""

    def __init__(self, feed: TaskFeed, principal: Principal, wanted: FeedFilter) -> None:
        self._feed = feed
        self._principal = principal
        self._wanted = wanted
        self._events: deque[FeedEvent] = deque()
        self._missed: int | None = 0
        self._news = asyncio.Event()

    async def __aenter__(self) -> "Listener":
        return self

    async def __aexit__(self, *_: object) -> None:
        self._feed.remove(self)

    def offer(self, event: FeedEvent) -> None:
        """Keep the change for the reader if it wants and may see it."""
        if not self._principal.may_see(event.change.owner) or not self._wanted.accepts(
            event.change
        ):
            return
        if len(self._events) >= BACKLOG:
            self._events.popleft()
            self.miss(1)
        self._events.append(event)
        self._news.set()

    def miss(self, count: int | None) -> None:
        """Count changes that the reader will not get; None: nobody knows how many."""
        self._missed = None if count is None or self._missed is None else self._missed + count
        self._news.set()

    def wake(self) -> None:
        """Let the reader look whether the feed has ended."""
        self._news.set()

    async def __aiter__(self) -> AsyncIterator[FeedEvent | Missed]:
        while True:
            if self._missed != 0:
                count, self._missed = self._missed, 0
                yield Missed("changes of tasks were missed", count)
            while self._events:
                yield self._events.popleft()
                if self._missed != 0:
                    break
            else:
                if self._feed.ended.is_set():
                    return
                await self._news.wait()
                self._news.clear()


def _change(task: Task, error: ServiceError | None) -> TaskChange:
    spec, attempt = task.spec, task.attempts[-1] if task.attempts else None
    return TaskChange(
        task=task.id,
        function=spec.name,
        group=spec.group,
        contract=spec.contract,
        owner=task.owner,
        mode=task.submission.mode,
        source=task.source,
        status=task.state,
        attempt=0 if attempt is None else attempt.number,
        worker=None if attempt is None else attempt.worker,
        pool=None if attempt is None else attempt.pool,
        slot=None if attempt is None else attempt.slot,
        parent=task.parent,
        step=task.step,
        queued_ms=task.queued_ms,
        run_ms=task.run_ms,
        error=None if error is None else ChangeError(f"/problems/{error.name}", error.detail),
    )
