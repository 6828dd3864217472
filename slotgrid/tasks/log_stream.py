"""The lines of one task's log: recorded ones first, then live ones as they come."""

from collections.abc import AsyncIterator

from slotgrid.core.events import Event, Reader
from slotgrid.core.task import Task
from slotgrid.records.ledger import Ledger, Record


class LogStream:
    """Iterates once over the lines written so far and, with `follow`, those until the task's end.

    Each line is an event; its kind is the step. `step` leaves out the lines of other steps.
    A task that this process does not run has recorded lines only, and is not followed.
    Iteration raises DatabaseUnavailable if recorded lines cannot be read.
    """

    def __init__(
        self, ledger: Ledger, found: Task | Record, *, step: str | None, follow: bool
    ) -> None:
        self._ledger = ledger
        self._found = found
        self._step = step
        self._follow = follow

    async def wait_ended(self) -> None:
        """Wait until no new lines can come."""
        if isinstance(self._found, Task):
            await self._found.wait_finished()

    async def __aiter__(self) -> AsyncIterator[Event]:
        async for line in self._lines():
            if self._step in {None, line.kind}:
                yield line

    async def _lines(self) -> AsyncIterator[Event]:
        found = self._found
        if isinstance(found, Record):
            for line in await self._ledger.lines(found.id) or found.own_lines():
                yield line
            return
        first = found.logs.begins_after
        if first:
            for line in await self._ledger.lines(found.id, upto=first):
                yield line
        if not self._follow:
            for line in found.logs.after(first):
                yield line
            return
        async with Reader(found.logs, after=first) as reader:
            async for line in reader:
                yield line
