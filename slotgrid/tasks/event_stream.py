"""The events of one task: recorded events first, then live ones as they occur."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from slotgrid.core.event_log import Event, Reader
from slotgrid.core.task import Task
from slotgrid.records.task_repository import Record, TaskRepository
from slotgrid.tasks.task_loading import until_loaded


@dataclass(frozen=True, slots=True)
class Missed:
    """A gap in the events. `count` is their number; None if it cannot be determined."""

    text: str
    count: int | None


class EventStream:
    """Iterates once over the events after the event `after`, until the task has ended.

    Any number of readers can follow a task, and none of them slows the task. Events may therefore
    be evicted before a slow reader gets them: a `Missed` replaces them.
    Iteration raises DatabaseUnavailable if recorded events cannot be read.
    """

    def __init__(self, repository: TaskRepository, found: Task | Record, *, after: int = 0) -> None:
        self._repository = repository
        self._found = found
        self._position = after
        self._live: asyncio.Future[Task | None] = asyncio.get_running_loop().create_future()

    async def wait_ended(self) -> None:
        """Wait until no new events can follow. Requires a running iteration."""
        task = await asyncio.shield(self._live)
        if task is not None:
            await task.wait_finished()

    async def __aiter__(self) -> AsyncIterator[Event | Missed]:
        task: Task | None
        if isinstance(self._found, Task):
            task = self._found
            self._live.set_result(task)
            first = task.events.begins_after
            if self._position < first:
                async for event in self._recorded(upto=first, cut_off=task.lost_starts > 0):
                    yield event
        else:
            async for event in self._recorded():
                yield event
            task = await until_loaded(self._repository, self._found)
            self._live.set_result(task)
        if task is None:  # it has ended, perhaps after its events were read: read the rest
            async for event in self._recorded():
                yield event
            return
        self._position = max(self._position, task.events.begins_after)
        async with Reader(task.events, after=self._position) as reader:
            async for event in reader:
                missing = event.id - self._position - 1
                self._position = event.id
                if missing:
                    yield Missed(f"{missing} earlier events were evicted", missing)
                yield event

    async def _recorded(
        self, *, upto: int | None = None, cut_off: bool = False
    ) -> AsyncIterator[Event | Missed]:
        """The recorded events.

        A gap is visible in the ids, except at the end of a run that was `cut_off`.
        """
        events = await self._repository.events(self._found.id, self._position, upto=upto)
        if cut_off or (events and events[-1].id - self._position > len(events)):
            yield Missed("events of an earlier process may be missing", None)
        for event in events:
            self._position = event.id
            yield event
