"""The lines of one task's log: recorded ones first, then live ones as they come."""

import asyncio
from collections.abc import AsyncIterator

from slotgrid.core.events import Event, Reader
from slotgrid.core.task import Task
from slotgrid.records.ledger import Ledger, Record
from slotgrid.tasks.pickup import taken_up


class LogStream:
    """Iterates once over the lines written so far and, with `follow`, those until the task's end.

    Each line is an event; its kind is the step. `step` leaves out the lines of other steps.
    Iteration raises DatabaseUnavailable if recorded lines cannot be read.
    """

    def __init__(
        self, ledger: Ledger, found: Task | Record, *, step: str | None, follow: bool
    ) -> None:
        self._ledger = ledger
        self._found = found
        self._step = step
        self._follow = follow
        self._position = 0
        self._live: asyncio.Future[Task | None] = asyncio.get_running_loop().create_future()

    async def wait_ended(self) -> None:
        """Wait until no new lines can come. Needs an iteration under way."""
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
            task = await taken_up(self._ledger, self._found) if self._follow else None
        self._live.set_result(task)
        async for line in self._rest() if task is None else self._lines_of(task):
            yield line

    async def _rest(self) -> AsyncIterator[Event]:
        """The lines of a task that this process does not run, after those read before."""
        if self._follow:  # it has ended elsewhere, maybe since its lines were read
            async for line in self._recorded():
                yield line
        if self._position == 0:
            for line in await self._own_lines():
                yield line

    async def _lines_of(self, task: Task) -> AsyncIterator[Event]:
        """The lines of a task of this process, after those of earlier ones."""
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
        """What the record itself says of a task of which no line is recorded."""
        found = await self._ledger.find(self._found.id) if self._follow else self._found
        return found.own_lines() if isinstance(found, Record) else []

    async def _recorded(self, *, upto: int | None = None) -> AsyncIterator[Event]:
        """The recorded lines after those read before."""
        for line in await self._ledger.lines(self._found.id, upto=upto):
            if line.id > self._position:
                self._position = line.id
                yield line
