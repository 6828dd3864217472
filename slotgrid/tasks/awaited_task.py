"""A sync or stream task with callers that wait for it."""

from dataclasses import dataclass

from slotgrid.core.errors import Gone
from slotgrid.core.event_log import Event, Reader
from slotgrid.core.task import Task


@dataclass(frozen=True, slots=True)
class AwaitedTask:
    """A task that runs for its callers; `replayed` if an earlier caller of its key started it."""

    task: Task
    replayed: bool

    def reader(self) -> Reader:
        """Reads the task's events from the first one to the terminal one; use as `async with`.

        Only the reader of the first caller slows the task. If another caller falls behind the kept
        events, its reader raises ConnectionError, since no stream format can express a gap.
        Raises Gone if the first events are no longer kept.
        """
        if not self.replayed:
            return Reader(self.task.events, pacing=True)
        if self.task.events.missing_after(0):
            raise Gone("the first events of the stream were evicted", task_id=self.task.id)
        return _GaplessReader(self.task.events)


class _GaplessReader(Reader):
    async def next(self) -> Event | None:
        expected = self.position + 1
        event = await super().next()
        if event is not None and event.id != expected:
            raise ConnectionError("the reader is too slow: later events were evicted")
        return event
