"""The log lines of a flow: its own and those of its steps' tasks, merged in time."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from slotgrid.core.event_log import Event
from slotgrid.core.task import NODE_STEP, Task
from slotgrid.records.task_repository import ChildTask, Record, TaskRepository

EVERY_S = 0.5
"""Between two looks for new lines, while a caller follows a flow."""


class FlowLogStream:
    """Iterates once over the lines so far and, with `follow`, over new ones until the flow's end.

    Each line is an event; its kind is the step, with the index of an instance: `name[index]`.
    `step` selects the lines of one step, with those of its instances. A follower gets the lines of
    each look in the order of their times.
    Iteration raises DatabaseUnavailable if recorded lines cannot be read.
    """

    def __init__(
        self, repository: TaskRepository, found: Task | Record, *, step: str | None, follow: bool
    ) -> None:
        self._repository = repository
        self._id = found.id
        self._step = step
        self._follow = follow
        self._positions: dict[str, int] = {}
        self._done: set[str] = set()
        self._over = asyncio.Event()

    async def wait_ended(self) -> None:
        """Wait until no new lines can follow. Requires a running iteration."""
        await self._over.wait()

    async def __aiter__(self) -> AsyncIterator[Event]:
        try:
            while True:
                flow = await self._repository.find(self._id)
                ended = flow is None or flow.state.terminal
                for line in await self._new_lines(ended=ended):
                    yield line
                if not self._follow or ended:
                    return
                await asyncio.sleep(EVERY_S)
        finally:
            self._over.set()

    async def _new_lines(self, *, ended: bool) -> list[Event]:
        """The lines since the last look, in the order of their times."""
        own = ChildTask(self._id, NODE_STEP, ended)
        wanted = [child for child in [own, *await self._children()] if child.id not in self._done]
        lines: list[Event] = []
        on_record: list[ChildTask] = []
        for child in wanted:
            task = self._repository.in_memory(child.id)
            after = self._positions.get(child.id, 0)
            if child.ended or task is None or task.logs.begins_after > after:
                on_record.append(child)
            else:
                lines += self._noted(child, task.logs.after(after))
        found = await self._repository.lines_of([child.id for child in on_record])
        for child in on_record:
            after = self._positions.get(child.id, 0)
            fresh = [line for line in found.get(child.id, ()) if line.id > after]
            lines += self._noted(child, fresh)
            if child.ended:
                self._done.add(child.id)
        return sorted(lines, key=lambda line: line.at)

    async def _children(self) -> Sequence[ChildTask]:
        children = await self._repository.children(self._id)
        if self._step is None:
            return children
        return [one for one in children if self._step in {one.step, one.step.partition("[")[0]}]

    def _noted(self, child: ChildTask, lines: Sequence[Event]) -> list[Event]:
        """The lines as the flow shows them: with the step, or as the flow's own."""
        if lines:
            self._positions[child.id] = lines[-1].id
        if child.id != self._id:
            return [Event(line.id, child.step, line.at, line.payload) for line in lines]
        return [line for line in lines if self._step in {None, line.kind}]
