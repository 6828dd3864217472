"""The rules about tasks, for the HTTP handlers of the API and of the dashboard."""

import asyncio
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from slotgrid.core.errors import Conflict, NotFound, TaskFinished, UnknownTask
from slotgrid.core.principal import Principal
from slotgrid.core.submission import Submission
from slotgrid.core.task import NODE_STEP, Task
from slotgrid.core.task_parts import Source
from slotgrid.core.task_states import TaskState
from slotgrid.durable.durable_tasks import DurableTasks
from slotgrid.records.damaged_records import UnreadableRecord
from slotgrid.records.history import TaskFilter
from slotgrid.records.task_repository import Json, Record
from slotgrid.tasks.event_stream import EventStream
from slotgrid.tasks.feed import FeedFilter, Listener
from slotgrid.tasks.flow_log_stream import FlowLogStream
from slotgrid.tasks.log_stream import LogStream
from slotgrid.tasks.submitter import TaskSubmitter
from slotgrid.tasks.task_loading import POLL_S

LIVE = frozenset({TaskState.QUEUED, TaskState.RUNNING})
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SHOWN_MOST = 60
"""Maximum number of characters of an invalid id in an error."""
STEPS_SHOWN = 50
"""Maximum number of steps' names in an error."""
CANCELS_AT_ONCE = 200
"""Recorded tasks that are cancelled concurrently, so that they share commits."""
CANCEL_WAIT_S = 10.0
"""How long a cancel waits for the end of its tasks: longer than freeing any slot takes."""

Note = Callable[[Sequence[str]], None]


class TaskService(TaskSubmitter):
    """The operations on the tasks of one node."""

    async def find(self, principal: Principal, task_id: str) -> Task | Record:
        """The task. Raises UnknownTask, also for a task that the principal may not see.

        Raises DatabaseUnavailable, or Internal for a record that is damaged.
        """
        if UUID.fullmatch(task_id) is None:
            raise UnknownTask(f"there is no task {task_id[:SHOWN_MOST]!r}; ids of tasks are UUIDs")
        unknown = UnknownTask(f"there is no task {task_id}", task_id=task_id)
        try:
            found = await self._repository.find(task_id)
        except UnreadableRecord as damage:
            if not principal.may_see(damage.owner):
                raise unknown from None
            raise
        if found is None or not principal.may_see(found.owner):
            raise unknown
        return found

    async def show(self, found: Task | Record) -> Json:
        """The task in the form of `GET /tasks/{id}`."""
        return await self._repository.show(found)

    async def wait(self, principal: Principal, task_id: str, wait_s: float) -> Task | Record:
        """The task at its end, or its state after `wait_s`. Raises as `find`."""
        return await self._ended_within(principal, await self.find(principal, task_id), wait_s)

    async def _ended_within(
        self, principal: Principal, found: Task | Record, wait_s: float
    ) -> Task | Record:
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                while isinstance(found, Record) and not found.state.terminal:
                    await asyncio.sleep(POLL_S)
                    found = await self.find(principal, found.id)
                if isinstance(found, Task):
                    await found.wait_finished()
                    if found.durable:  # so that the next list shows the end
                        await self._repository.wait_ends_recorded()
        return found

    async def follow(self, principal: Principal, task_id: str, *, after: int = 0) -> EventStream:
        """The events of the task after the event with id `after`. Raises as `find`."""
        return EventStream(self._repository, await self.find(principal, task_id), after=after)

    def watch(
        self, principal: Principal, wanted: FeedFilter, *, after: int | None = None
    ) -> Listener:
        """The changes of tasks that the principal may see, as they occur. Raises QueueFull."""
        return self.feed.listen(principal, wanted, after=after)

    async def logs(
        self,
        principal: Principal,
        task_id: str,
        *,
        step: str | None = None,
        follow: bool = False,
    ) -> LogStream | FlowLogStream:
        """The lines of the task's log; of a flow, also those of its steps' tasks.

        Raises as `find`, and NotFound for an unknown step.
        """
        found = await self.find(principal, task_id)
        is_flow = found.kind == "flow"
        if step is not None:
            names = found.step_names()
            if is_flow:
                names = [NODE_STEP, *(one["name"] for one in (await self.show(found))["steps"])]
            if step not in names:
                shown = ", ".join(names[:STEPS_SHOWN])
                raise NotFound(f"the task has no step {step!r}; it has {shown}")
        if is_flow:
            return FlowLogStream(self._repository, found, step=step, follow=follow)
        return LogStream(self._repository, found, step=step, follow=follow)

    # Operations

    async def cancel(self, principal: Principal, task_id: str, *, note: Note) -> Task | Record:
        """Cancel a task in memory, on disk or at another node; wait up to CANCEL_WAIT_S.

        `note` receives the id before that wait, so the audit log has it even if the caller leaves.
        Raises as `find`, and TaskFinished.
        """
        found = await self.find(principal, task_id)
        reason = _reason(principal)
        if isinstance(found, Record) and not found.state.terminal and self._durable is not None:
            await self._durable.cancel(found.id, reason)
            found = await self.find(principal, task_id)
        elif isinstance(found, Record) or not self._supervisor.cancel(found, reason):
            raise TaskFinished(f"the task has already {found.state}", task_id=found.id)
        note([found.id])
        return await self._ended_within(principal, found, CANCEL_WAIT_S)

    async def cancel_many(
        self, principal: Principal, wanted: TaskFilter, *, note: Note
    ) -> Sequence[str]:
        """Cancel the queued and running tasks that the filter accepts; returns their ids.

        `note` receives the ids before the wait for their ends. Raises DatabaseUnavailable.
        """
        status = LIVE if wanted.status is None else wanted.status & LIVE
        wanted = replace(wanted, status=status, owner_only=principal.only_owner)
        reason = _reason(principal)
        ids: list[str] = []
        if self._durable is not None:
            ids += await self._cancel_on_disk(self._durable, wanted, reason)
        cancelled = [
            task
            for task in self._supervisor.live
            if wanted.accepts(task) and self._supervisor.cancel(task, reason)
        ]
        ids += [task.id for task in cancelled]
        note(ids)
        if cancelled:
            waits = [asyncio.ensure_future(task.wait_finished()) for task in cancelled]
            await asyncio.wait(waits, timeout=CANCEL_WAIT_S)
            await self._repository.wait_ends_recorded()  # so that the next list shows the ends
        return ids

    async def _cancel_on_disk(
        self, durable: DurableTasks, wanted: TaskFilter, reason: str
    ) -> Sequence[str]:
        """Cancel the recorded tasks that are not in memory; returns their ids."""
        ids = await self._repository.on_disk(wanted)
        for first in range(0, len(ids), CANCELS_AT_ONCE):
            page = ids[first : first + CANCELS_AT_ONCE]
            await asyncio.gather(*(durable.cancel(task_id, reason) for task_id in page))
        return ids

    async def retry(self, principal: Principal, task_id: str) -> tuple[Submission, Source]:
        """The submission that runs a finished task again. Raises as `find`, and Conflict."""
        found = await self.find(principal, task_id)
        if not found.state.terminal:
            raise Conflict(f"the task is {found.state}; only a finished one can run again")
        return _submission(found), Source("retry", found.id)

    async def redeliver(self, principal: Principal, task_id: str) -> Task | Record:
        """Send the task's webhook again, from the first attempt. Raises as `find`, and Conflict."""
        found = await self.find(principal, task_id)
        if not found.state.terminal or self._durable is None or _submission(found).webhook is None:
            raise Conflict("only a finished task of mode webhook can be delivered again")
        await self._durable.redeliver(found.id)
        return found

    async def list(
        self, principal: Principal, wanted: TaskFilter, *, limit: int, offset: int
    ) -> tuple[Sequence[Json], int]:
        """A page of tasks that the principal may see, newest first, and the number of matches."""
        visible = replace(wanted, owner_only=principal.only_owner)
        return await self._repository.select(visible, limit=limit, offset=offset)


def _reason(principal: Principal) -> str:
    return f"{principal.name} cancelled it"


def _submission(found: Task | Record) -> Submission:
    return found.submission() if isinstance(found, Record) else found.submission
