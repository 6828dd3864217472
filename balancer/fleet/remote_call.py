"""One attempt of a task on a worker: its lease, its session, its time limits, its outcome."""

import asyncio
from dataclasses import dataclass
from typing import Protocol

from balancer.fleet.running_steps import RunningSteps
from balancer.fleet.worker import Worker
from slotgrid.core.lease import HELD, STARTED, Lease
from slotgrid.core.task import Task
from slotgrid.wire.awake_timer import AwakeTimer
from slotgrid.wire.encoding import ProtocolFault
from slotgrid.wire.limits import CREDITS, GRANT_EVERY
from slotgrid.wire.link import Link
from slotgrid.wire.message_parts import Claim
from slotgrid.wire.messages import Done, EventMessage, Failed, FromWorker, LogMessage, Refused

LINK_LOST = "its link was lost"
ANSWER_WITHIN_S = 10.0
"""For `started` or `refused`: the call of a live worker that does not answer is given up."""
OVERTIME_S = 30.0
"""Beyond `timeout_s`, which the worker enforces: its escalation to free a slot, and latency."""


@dataclass(frozen=True, slots=True)
class LostCall:
    """The attempt is lost: the link broke, or the worker did not answer or end it in time.

    `unsure`: the task may have started, as its `started` may have been lost with the link.
    """

    reason: str
    unsure: bool = False


Outcome = Done | Failed | Refused | LostCall


class Carrier(Protocol):
    """The session of a worker's link, as its calls use it."""

    worker: Worker
    link: Link[FromWorker]

    def forget(self, call: "RemoteCall") -> None:
        """Remove a call for which no runner waits."""


class RemoteCall:
    """A task sent to a worker: its session feeds it messages, its runner awaits the outcome.

    The lease is held until the worker has begun the task, then started. The call is given up if
    the worker does not answer within ANSWER_WITHIN_S, or not end it within `timeout_s` and
    OVERTIME_S.

    Events are appended to the task as they arrive. Backpressure: credits are returned only while
    the task's events have room, so a slow reader slows only the worker's function.
    """

    __slots__ = (
        "_events",
        "_logs",
        "_over_waiter",
        "_owed",
        "_steps",
        "_timeout_s",
        "_timer",
        "_waits",
        "lease",
        "outcome",
        "over",
        "session",
        "task",
    )  # fmt: skip

    def __init__(self, task: Task, lease: Lease, session: Carrier, *, timeout_s: float) -> None:
        self.task = task
        self.lease = lease
        self.session = session
        """The worker's last session; its link may be down."""
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
        self._timeout_s = timeout_s
        self._timer = AwakeTimer(ANSWER_WITHIN_S, self._answer_is_due)

    @property
    def started(self) -> bool:
        """Whether the worker has begun the task, and the task still waits for its end."""
        return self.lease.state is STARTED

    @property
    def unanswered(self) -> bool:
        """Whether the task waits for the worker to begin it."""
        return self.lease.state is HELD

    def begin(self, slot: int | None) -> None:
        """The worker has begun the task on that slot of its own; None if unknown.

        Without effect once the call was given up: the task may be in another attempt.
        """
        if self.unanswered:
            self.lease.move_to(STARTED)
        if self.started:
            self.task.begin_on(slot)

    def move_to(self, session: Carrier) -> None:
        """Continue in the worker's new session, whose link starts with all credits."""
        self.session = session
        self._owed = 0

    def add_event(self, message: EventMessage) -> None:
        """Append an event of the task. Raises ProtocolFault if the worker exceeds its credits."""
        if message.number > self._events and not self.outcome.done():
            self._events = message.number
            payload = bytes(message.payload)
            if message.kind == "step":
                self._steps.update(payload)
            self.task.events.append_json(message.kind, payload)
        self._used()

    def add_log_line(self, message: LogMessage) -> None:
        """Append a log line of the task. Raises ProtocolFault as `add_event` does."""
        if message.number > self._logs and not self.outcome.done():
            self._logs = message.number
            self.task.log(message.line, stream=message.stream, step=message.step)
        self._used()

    def close(self) -> None:
        """End the time limits, and mark running steps as cancelled: the attempt is over here."""
        self._timer.cancel()
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
        self.end(LostCall(reason, unsure=not gone and not self.started))

    def claim(self) -> Claim:
        """How much of the task has arrived here, for a worker that has reconnected."""
        return Claim(id=self.task.id, events=self._events, logs=self._logs)

    def _answer_is_due(self) -> None:
        if not self.started:
            self.give_up(LostCall(f"it has not answered within {ANSWER_WITHIN_S:g} s", unsure=True))
            return
        late = LostCall("it did not end the task in time")
        rest_s = max(0.0, self._timeout_s - ANSWER_WITHIN_S)
        self._timer = AwakeTimer(OVERTIME_S, lambda: self.give_up(late), after_s=rest_s)

    def _used(self) -> None:
        self._owed += 1
        if self._owed > CREDITS:
            raise ProtocolFault("the messages of a task exceed its credits")
        if self._owed < GRANT_EVERY or self._waits is not None:
            return
        if self.task.events.crowded:
            waiting = self._grant_when_room()
            self._waits = asyncio.get_running_loop().create_task(waiting)
        else:
            self._grant()

    def _grant(self) -> None:
        self.session.link.grant(self.task.id, self._owed)
        self._owed = 0

    async def _grant_when_room(self) -> None:
        await self.task.events.room()  # the task's end makes room as well
        self._waits = None
        self._grant()
