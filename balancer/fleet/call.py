"""One attempt of a task on a worker, as the messages about it come in."""

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
    """The link is gone, and the task with it.

    `unsure` when nobody can tell whether the task had started: its `started` may have been lost
    with the link.
    """

    reason: str
    unsure: bool = False


Outcome = Done | Failed | Refused | Lost


class Call:
    """What a worker was asked to run. Its link feeds it, its runner waits for the outcome.

    Events go into the task as they come. A caller who does not read holds up the worker's
    function, and nothing else: credits go back when there is room again.
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
        """What its runner waits for; cancelled with it."""
        self.over = False
        """Whether nothing of it is left at the worker, or the worker is gone."""
        self._over_waiter: asyncio.Future[None] | None = None
        self._events = 0
        self._logs = 0
        self._owed = 0
        self._steps = RunningSteps(task)
        self._waits: asyncio.Task[None] | None = None

    def move_to(self, link: Link[FromWorker]) -> None:
        """The worker is back on another link, which begins with all credits."""
        self.link = link
        self._owed = 0

    def said(self, message: EventMessage) -> None:
        """The task said something. Raises ProtocolFault when there was no credit for it."""
        if message.number > self._events and not self.outcome.done():
            self._events = message.number
            payload = bytes(message.payload)
            if message.kind == "step":
                self._steps.update(payload)
            self.task.events.append_json(message.kind, payload)
        self._used()

    def wrote(self, message: LogMessage) -> None:
        """The task's function wrote a line. Raises ProtocolFault as `said`."""
        if message.number > self._logs and not self.outcome.done():
            self._logs = message.number
            self.task.log(message.line, stream=message.stream, step=message.step)
        self._used()

    def end_steps(self) -> None:
        """The attempt is over here: no step of it runs any more."""
        self._steps.end()

    def end(self, outcome: Outcome) -> None:
        """The worker has said how it ended, or is gone."""
        self.over = True
        self.give_up(outcome)
        if self._over_waiter is not None and not self._over_waiter.done():
            self._over_waiter.set_result(None)

    def give_up(self, outcome: Outcome) -> None:
        """This is how it ended for us, whatever the worker still does; only the first counts."""
        if not self.outcome.done():
            self.outcome.set_result(outcome)

    async def wait_over(self) -> None:
        """Return when nothing of it is left at the worker. For one to wait."""
        if not self.over:
            self._over_waiter = asyncio.get_running_loop().create_future()
            await self._over_waiter

    def lose(self, reason: str, *, gone: bool) -> None:
        """Nobody will say more of it; `gone` when the worker's process is known to have ended.

        A process says `started` before it begins a task, so one that is gone and has not said it
        did not begin. One that is out of reach may have: it said it into a link that was broken.
        """
        self.end(Lost(reason, unsure=not gone and not self.started))

    def claim(self) -> Claim:
        """What is here of it, for a worker whose link is back."""
        return Claim(id=self.task.id, events=self._events, logs=self._logs)

    def _used(self) -> None:
        self._owed += 1
        if self._owed > CREDITS:
            raise ProtocolFault("more was said about a task than there were credits for")
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
        await self.task.events.room()  # its end makes room as well
        self._waits = None
        self._grant()
