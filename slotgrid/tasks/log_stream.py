"""The lines of one task's log: recorded lines first, then live ones as they occur."""

import asyncio
from collections.abc import AsyncIterator

from slotgrid.core.event_log import Event, Reader
from slotgrid.core.task import Task
from slotgrid.records.task_repository import Record, TaskRepository
from slotgrid.tasks.task_loading import until_loaded


class LogStream:
    """Iterates once over the lines so far and, with `follow`, over new ones until the task's end.

    Each line is an event; its kind is the step. `step` selects the lines of one step.
    Iteration raises DatabaseUnavailable if recorded lines cannot be read.
    """

    def __init__(
        self, repository: TaskRepository, found: Task | Record, *, step: str | None, follow: bool
    ) -> None:
        self._repository = repository
        self._found = found
        self._step = step
        self._follow = follow
        self._position = 0
        self._live: asyncio.Future[Task | None] = asyncio.get_running_loop().create_future()

    async def wait_ended(self) -> None:
        """Wait until no new lines can follow. Requires a running iteration."""
        task = await asyncio.shield(self._live)
        if task is not None:
            await task.wait_finished()

    async def __aiter__(self) -> AsyncIterator[Event]:
        async for line in self._lines():
            if self._step in {None, line.kind}:
                yield line

    async def _lines(self) -> AsyncIterator[Event]:
        task: Task | None
        if isinstance(self._found, Task):
            task = self._found
        else:
            async for line in self._recorded():
                yield line
            task = await until_loaded(self._repository, self._found) if self._follow else None
        self._live.set_result(task)
        async for line in self._rest() if task is None else self._lines_of(task):
            yield line

    async def _rest(self) -> AsyncIterator[Event]:
        """The lines of a task that this process does not run, after the lines already read."""
        if self._follow:  # it has ended, perhaps after its lines were read: read the rest
            async for line in self._recorded():
                yield line
        if self._position == 0:
            for line in await self._own_lines():
                yield line

    async def _lines_of(self, task: Task) -> AsyncIterator[Event]:
        """The lines of a task in this process, after those that earlier processes recorded."""
        first = task.logs.begins_after
        if self._position < first:
            async for line in self._recorded(upto=first):
                yield line
        if not self._follow:
            for line in task.logs.after(first):
                yield line
            return
        async with Reader(task.logs, after=max(first, self._position)) as reader:
            async for line in reader:
                yield line

    async def _own_lines(self) -> list[Event]:
        """Lines made from the record, about attempts and end, for a task without recorded lines."""
        found = await self._repository.find(self._found.id) if self._follow else self._found
        return found.own_lines() if isinstance(found, Record) else []

    async def _recorded(self, *, upto: int | None = None) -> AsyncIterator[Event]:
        """The recorded lines after the lines already read."""
        for line in await self._repository.lines(self._found.id, upto=upto):
            if line.id > self._position:
                self._position = line.id
                yield line
