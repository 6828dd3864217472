"""One attempt of a task on a worker, updated by the worker's messages."""

import asyncio
from dataclasses import dataclass

from balancer.fleet.steps import RunningSteps
from slotgrid.core.slots import Slot
from slotgrid.core.task import Task
from slotgrid.wire.encoding import ProtocolFault
from slotgrid.wire.limits import CREDITS, GRANT_EVERY
from slotgrid.wire.link import Link
from slotgrid.wire.messages import Done, EventMessage, Failed, FromWorker, LogMessage, Refused
from slotgrid.wire.parts import Claim


@dataclass(frozen=True, slots=True)
class Lost:
    """The attempt is lost: the link broke, or the worker did not answer or end it in time.

    `unsure`: the task may have started, as its `started` may have been lost with the link.
    """

    reason: str
    unsure: bool = False


Outcome = Done | Failed | Refused | Lost


class Call:
    """A task sent to a worker: its link feeds it messages, its runner awaits the outcome.

    Events are appended to the task as they arrive. Backpressure: credits are returned only while
    the task's events have room, so a slow reader slows only the worker's function.
    """

    __slots__ = (
        "_events",
        "_logs",
        "_over_waiter",
        "_owed",
        "_steps",
        "_waits",
        "link",
        "outcome",
        "over",
        "slot",
        "started",
        "task",
    )  # fmt: skip

    def __init__(self, task: Task, slot: Slot, link: Link[FromWorker]) -> None:
        self.task = task
        self.slot = slot
        self.link = link
        self.started = False
        self.outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        """Awaited by the runner; cancelled with the runner."""
        self.over = False
        """Whether the worker has released the task, or is gone."""
        self._over_waiter: asyncio.Future[None] | None = None
        self._events = 0
        self._logs = 0
        self._owed = 0
        self._steps = RunningSteps(task)
        self._waits: asyncio.Task[None] | None = None

    def move_to(self, link: Link[FromWorker]) -> None:
        """Continue on the worker's new link, which starts with all credits."""
        self.link = link
        self._owed = 0

    def said(self, message: EventMessage) -> None:
        """Append an event of the task. Raises ProtocolFault if the worker exceeds its credits."""
        if message.number > self._events and not self.outcome.done():
            self._events = message.number
            payload = bytes(message.payload)
            if message.kind == "step":
                self._steps.update(payload)
            self.task.events.append_json(message.kind, payload)
        self._used()

    def wrote(self, message: LogMessage) -> None:
        """Append a log line of the task. Raises ProtocolFault as `said` does."""
        if message.number > self._logs and not self.outcome.done():
            self._logs = message.number
            self.task.log(message.line, stream=message.stream, step=message.step)
        self._used()

    def end_steps(self) -> None:
        """Mark running steps as cancelled: the attempt is over at this balancer."""
        self._steps.end()

    def end(self, outcome: Outcome) -> None:
        """Set the outcome and wake `wait_over`: the worker has reported the end, or is gone."""
        self.over = True
        self.give_up(outcome)
        if self._over_waiter is not None and not self._over_waiter.done():
            self._over_waiter.set_result(None)

    def give_up(self, outcome: Outcome) -> None:
        """Set the outcome for the runner, whatever the worker still does; only the first counts."""
        if not self.outcome.done():
            self.outcome.set_result(outcome)

    async def wait_over(self) -> None:
        """Wait until the worker has released the task or is gone. At most one waiter."""
        if not self.over:
            self._over_waiter = asyncio.get_running_loop().create_future()
            await self._over_waiter

    def lose(self, reason: str, *, gone: bool) -> None:
        """End the call as lost; `gone` if the worker's process is known to have ended.

        A worker sends `started` before it begins a task, so a process that ended without sending
        it did not begin. An unreachable process may have begun, its `started` lost with the link.
        """
        self.end(Lost(reason, unsure=not gone and not self.started))

    def claim(self) -> Claim:
        """How much of the task has arrived here, for a worker that has reconnected."""
        return Claim(id=self.task.id, events=self._events, logs=self._logs)

    def _used(self) -> None:
        self._owed += 1
        if self._owed > CREDITS:
            raise ProtocolFault("the messages of a task exceed its credits")
        if self._owed < GRANT_EVERY or self._waits is not None:
            return
        if self.task.events.crowded:
            waiting = self._grant_when_there_is_room()
            self._waits = asyncio.get_running_loop().create_task(waiting)
        else:
            self._grant()

    def _grant(self) -> None:
        self.link.grant(self.task.id, self._owed)
        self._owed = 0

    async def _grant_when_there_is_room(self) -> None:
        await self.task.events.room()  # the task's end makes room as well
        self._waits = None
        self._grant()
