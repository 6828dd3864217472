"""One remote task, and how much of its output its balancer has."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec
import orjson

from slotgrid.core.errors import (
    ForbiddenAddress,
    FunctionFailed,
    Internal,
    OutputInvalid,
    ServiceError,
)
from slotgrid.core.event_log import EventLog
from slotgrid.core.task import NODE_STEP, Task
from slotgrid.records.file_names import is_plain_name
from slotgrid.wire.encoding import knows
from slotgrid.wire.limits import CREDITS, FRAME_LIMIT, GRANT_EVERY
from slotgrid.wire.link import Link, MessageTooLarge
from slotgrid.wire.message_parts import ArtifactInfo, Claim, SlotNumbers, StepInfo, TrafficInfo
from slotgrid.wire.messages import Done, EventMessage, Failed, FromBalancer, LogMessage

PART_BYTES = 512
"""Approximate size of a file or a step in a message, without its input and output."""
UNREPORTABLE = "the worker could not report the task's events or its end; its log has the reason"


class Counts(NamedTuple):
    """The free slots at one moment: by pool, and the numbers of those of persistent pools.

    `seq` is the number of the message that has them.
    """

    free: Mapping[str, int]
    free_slots: Mapping[str, SlotNumbers]
    seq: int


class BalancerLink:
    """A balancer that sends tasks, identified by its boot; `link` is None while it is lost."""

    def __init__(self, boot: str, name: str, protocol: str) -> None:
        self.boot = boot
        self.name = name
        self.protocol = protocol
        self.knows_slots = knows(protocol, 4)
        """Whether it numbers the slots of each pool, and reads which of them are free."""
        self.link: Link[FromBalancer] | None = None

    def readable(self, counts: Counts) -> Counts:
        """The counts without what the balancer does not know."""
        if self.knows_slots or not counts.free_slots:
            return counts
        return counts._replace(free_slots={})


class Relay:
    """Sends a task's events and log lines to its balancer, limited by credits, then its end.

    Backpressure: without credits, events stay in the task, and its function soon waits. So a
    caller that does not read stops one function, and neither memory nor the link fills up.
    """

    __slots__ = (
        "_logs",
        "_news",
        "_only_end",
        "_unreportable",
        "balancer",
        "ended",
        "noted",
        "position",
        "retryable",
        "task",
    )

    def __init__(self, task: Task, balancer: BalancerLink, news: Callable[["Relay"], None]) -> None:
        self.task = task
        self.balancer = balancer
        self.ended = False
        self.retryable = False
        self.noted = False
        """Whether the relay is on the list of relays with something to send."""
        self.position = task.events.last_id if task.has_events else 0
        """The number of the last event that was sent."""
        self._logs = 0
        self._only_end = False
        self._unreportable = False
        self._news = news
        task.follow(self)

    def notify(self) -> None:
        """Schedule this relay: the task has new output, or the link has room again."""
        if not self.noted:
            self.noted = True
            self._news(self)

    def is_behind(self) -> bool:
        """Whether the function should wait before it emits more."""
        return self.task.events.far_behind(self.position)

    def resume_after(self, claim: Claim) -> None:
        """Continue after a reconnect; `claim` has the numbers of what the balancer received."""
        self.position = min(claim.events, self.task.events.last_id)
        self._logs = min(claim.logs, self.task.logs.last_id)
        self.notify()

    def skip_to_end(self) -> None:
        """Send only the task's end from now on, no events and log lines."""
        self._only_end = True
        self.detach()

    def fail(self) -> None:
        """Report only a failure, because some message of the task cannot be sent: a defect."""
        self._unreportable = True
        self.skip_to_end()

    def detach(self) -> None:
        """Stop following the task."""
        self.task.follow(None)

    def send_pending(self, counts: Callable[[], Counts]) -> bool:
        """Send what credits and link allow now; True if the task's end was sent."""
        link = self.balancer.link
        if link is None or link.ending is not None:
            return False
        all_sent = self._only_end or (self._send_events(link) and self._send_log_lines(link))
        if not (self.ended and all_sent):
            return False
        if not self._unreportable and not self._may_send(link, self._end_size()):
            return False
        self._send_end(link, self.balancer.readable(counts()))
        link.forget(self.task.id)
        self.detach()
        return True

    def _may_send(self, link: Link[FromBalancer], size: int, *, beside: int = GRANT_EVERY) -> bool:
        """Whether about `size` bytes may be sent now. If not, `notify` is called later.

        A large message needs more than `beside` credits. Some are for its pieces: without them,
        the message would wait on the link until the caller reads, and use up the limit of unsent
        bytes, which all tasks share. Large events need more, as unread ones use memory.
        """
        if size <= FRAME_LIMIT:
            return True
        if link.credits(self.task.id) <= beside:
            return False  # `RemoteTasks.credited` calls `notify`
        if not link.has_room(size):
            link.when_room(self.task.id, self.notify)
            return False
        return True

    def _end_size(self) -> int:
        task = self.task
        values = sum(len(step.input) + len(step.output) for step in task.steps)
        return len(task.result) + values + PART_BYTES * (len(task.steps) + len(task.artifacts))

    def _send_events(self, link: Link[FromBalancer]) -> bool:
        if not self.task.has_events:  # most tasks emit nothing
            return True
        events = self.task.events
        all_sent = self._send_new_events(link, events)
        events.moved_on(self)
        return all_sent

    def _send_new_events(self, link: Link[FromBalancer], events: EventLog) -> bool:
        task = self.task
        for event in events.after(self.position):
            if not event.terminal:  # the balancer makes that one from `done` or `failed`
                if link.credits(task.id) <= 0 or not self._may_send(
                    link, len(event.payload), beside=CREDITS - GRANT_EVERY
                ):
                    return False
                link.spend(task.id)
                message = EventMessage(
                    id=task.id,
                    number=event.id,
                    kind=event.kind,
                    at=event.at,
                    payload=msgspec.Raw(event.payload),
                )
                link.send(message, task.id)
            self.position = event.id
        return True

    def _send_log_lines(self, link: Link[FromBalancer]) -> bool:
        task = self.task
        for line in task.logs.after(self._logs):
            if line.kind != NODE_STEP:  # each node writes its own lines about its work on a task
                if link.credits(task.id) <= 0:
                    return False
                link.spend(task.id)
                stream, text = orjson.loads(line.payload)
                message = LogMessage(
                    id=task.id, number=line.id, at=line.at, step=line.kind, stream=stream, line=text
                )
                link.send(message, task.id)
            self._logs = line.id
        return True

    def _send_end(self, link: Link[FromBalancer], counts: Counts) -> None:
        task, (free, free_slots, seq) = self.task, counts
        if self._unreportable:
            error: ServiceError = Internal(UNREPORTABLE, task_id=task.id)
            problem = error.to_problem()
            failure = Failed(id=task.id, problem=problem, free=free, free_slots=free_slots, seq=seq)
            link.send(failure, task.id)
            return
        artifacts = _artifact_info(task, self.balancer.protocol) if task.artifacts else ()
        steps = _step_info(task, self.balancer.protocol) if task.steps else ()
        traffic = _traffic_info(task)

        def failed(error: ServiceError) -> Failed:
            return Failed(
                id=task.id,
                problem=_known(error, self.balancer.protocol).to_problem(),
                retryable=self.retryable,
                artifacts=artifacts,
                steps=steps,
                traffic=traffic,
                free=free,
                free_slots=free_slots,
                seq=seq,
            )

        if task.error is not None:
            link.send(failed(task.error), task.id)
            return
        done = Done(
            id=task.id,
            result=msgspec.Raw(task.result),
            artifacts=artifacts,
            steps=steps,
            traffic=traffic,
            free=free,
            free_slots=free_slots,
            seq=seq,
        )
        try:
            link.send(done, task.id)
        except MessageTooLarge as cause:
            too_large = OutputInvalid(f"the result is too large: {cause}", task_id=task.id)
            link.send(failed(too_large), task.id)


def _known(error: ServiceError, protocol: str) -> ServiceError:
    """The error in a form that the balancer knows: before 1.3, no address was forbidden."""
    if isinstance(error, ForbiddenAddress) and not knows(protocol, 3):
        return FunctionFailed(error.detail, task_id=error.task_id)
    return error


def _traffic_info(task: Task) -> TrafficInfo | None:
    moved = task.traffic
    if moved is None:
        return None
    return TrafficInfo(
        received_bytes=moved.received_bytes,
        sent_bytes=moved.sent_bytes,
        connections=moved.connections,
    )


def _artifact_info(task: Task, protocol: str) -> tuple[ArtifactInfo, ...]:
    """The files of a task. A balancer of protocol 1.1 gets only those with plain names.

    Others are files of an earlier attempt, whose balancer was newer.
    """
    any_name = knows(protocol, 2)
    return tuple(
        ArtifactInfo(name=file.name, size=file.size, content_type=file.content_type)
        for file in task.artifacts.values()
        if any_name or is_plain_name(file.name)
    )


def _step_info(task: Task, protocol: str) -> tuple[StepInfo, ...]:
    """The steps of a task. A balancer of protocol 1.0 gets only those that have started."""
    unstarted = knows(protocol, 1)
    return tuple(
        StepInfo(
            name=step.name,
            function=step.function,
            action=step.action,
            worker=step.worker,
            status=step.state.value,
            started_at=step.started_at,
            ended_at=step.ended_at,
            input=msgspec.Raw(step.input),
            output=msgspec.Raw(step.output),
            error=step.error,
        )
        for step in task.steps
        if unstarted or step.started_at is not None
    )
