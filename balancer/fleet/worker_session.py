"""One worker on one link: dispatches its messages to the fleet and to its calls."""

import asyncio
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import structlog

from balancer.fleet.fleet import Fleet
from balancer.fleet.message_limits import (
    CHANGES_LIMIT,
    STRAYS_LIMIT,
    RateBound,
    check_end,
    check_entries,
    check_functions,
)
from balancer.fleet.remote_call import LINK_LOST, RemoteCall
from balancer.fleet.report_throttle import ReportThrottle
from balancer.fleet.worker import Worker
from balancer.fleet.worker_requests import WorkerGone, WorkerRequest
from slotgrid.core.lease import Lease
from slotgrid.core.schema import SchemaFault
from slotgrid.core.task import Task
from slotgrid.wire import messages as m
from slotgrid.wire.functions import SpecReader
from slotgrid.wire.link import Link

log = structlog.get_logger()

BROWSER_CRASHED = "/problems/browser-crashed"
UNKNOWN_THERE = "/problems/worker-lost"
"""The problem that a worker reports for a claimed task that it does not have."""


class WorkerSession:
    """The messages of one worker, from its welcome to the end of its link.

    `made_room` is called after each message that may let a waiting task start.
    """

    def __init__(
        self,
        worker: Worker,
        link: Link[m.FromWorker],
        fleet: Fleet,
        specs: SpecReader,
        *,
        made_room: Callable[[], None],
    ) -> None:
        self.worker = worker
        self.link = link
        self.ended = asyncio.Event()
        """Set by the links when the link is down."""
        self._fleet = fleet
        self._specs = specs
        self._made_room = made_room
        self._calls: dict[str, RemoteCall] = {}
        self._requests: dict[str, WorkerRequest] = {}
        self._throttle = ReportThrottle()
        self._changes = RateBound("changes of functions or tags", CHANGES_LIMIT)
        self._strays = RateBound("messages about unknown tasks", STRAYS_LIMIT)
        self._later: m.Report | None = None
        """The newest report, while it is throttled."""
        self._on: Mapping[type[object], Callable[[Any], None]] = {
            m.Report: self._reported,
            m.Started: self._started,
            m.EventMessage: self._event,
            m.LogMessage: self._log_line,
            m.Done: self._ended,
            m.Failed: self._ended,
            m.Refused: self._refused,
            m.Functions: self._functions_changed,
            m.Tags: self._tags_changed,
            m.Draining: self._draining,
            m.Reply: self._replied,
            m.Data: self._sent_data,
        }

    def receive(self, message: object) -> None:
        """Handle a message; one of another type is only counted.

        Raises ProtocolFault for a message that exceeds a limit, which ends the link.
        """
        act = self._on.get(type(message))
        if act is not None:
            act(message)
        else:
            self._strays.count()

    # Calls

    @property
    def calls(self) -> int:
        """How many calls are open."""
        return len(self._calls)

    def send(self, message: m.TaskMessage, task: Task, lease: Lease) -> RemoteCall:
        """Send a task to the worker. Raises MessageTooLarge."""
        self.link.send(message, lane=task.id)
        call = self._calls[task.id] = RemoteCall(task, lease, self, timeout_s=message.timeout_s)
        return call

    def take_over(self, calls: Collection[RemoteCall], running: Collection[str]) -> None:
        """Continue the calls of the previous link.

        `running` are the ids of the tasks that the worker has; its next messages report the
        outcome of the others.
        """
        for call in calls:
            call.move_to(self)
            self._calls[call.task.id] = call
            if call.task.id in running:
                if not call.started:  # its `started` was lost with the old link
                    call.begin(None)
                self._fleet.started(call.lease.slot)

    def forget(self, call: RemoteCall) -> None:
        """Remove a call for which no runner waits."""
        if self._calls.get(call.task.id) is call:
            del self._calls[call.task.id]
        self.link.forget(call.task.id)

    def lost(self) -> list[RemoteCall]:
        """The link is down. Returns the calls that the worker may have and a runner awaits."""
        for asked in self._requests.values():
            asked.lost()
        calls = list(self._calls.values())
        self._calls.clear()
        for call in calls:
            if call.outcome.done():
                call.lose(LINK_LOST, gone=False)
        return [call for call in calls if not call.over]

    # Requests

    @property
    def requests(self) -> int:
        """How many requests are open."""
        return len(self._requests)

    @contextmanager
    def ask(self, what: m.Wish, **terms: Any) -> Iterator[WorkerRequest]:
        """Send a request that is no task. Raises WorkerGone if the link is down."""
        if self.link.ending is not None:
            raise WorkerGone(LINK_LOST)
        asked = WorkerRequest(uuid4().hex, self.link)
        self._requests[asked.id] = asked
        self.link.send(m.Ask(ask=asked.id, what=what, **terms))
        try:
            yield asked
        finally:
            del self._requests[asked.id]
            if not asked.complete:
                self.link.send(m.StopAsking(ask=asked.id))
            self.link.forget(asked.id)

    # Messages

    def _reported(self, report: m.Report) -> None:
        """Process the report, or soon a newer one: a throttle, so a flood costs only parsing."""
        if self._later is not None:
            self._throttle.count()
            self._later = report
        elif (pause_s := self._throttle.pause_s()) > 0:
            self._later = report
            asyncio.get_running_loop().call_later(pause_s, self._catch_up)
        else:
            self._apply_report(report)

    def _catch_up(self) -> None:
        """Process the throttled report, if any: the next message builds on it."""
        if self._later is not None:
            report, self._later = self._later, None
            self._apply_report(report)

    def _apply_report(self, report: m.Report) -> None:
        self._fleet.reported(self.worker, report)
        self._made_room()

    def _started(self, message: m.Started) -> None:
        call = self._calls.get(message.id)
        if call is None or not call.unanswered:
            self._strays.count()
        if call is None:
            return
        self._catch_up()
        worker = self.worker
        slot = (
            message.slot
            if worker.knows_slots
            else worker.number_in_pool(call.lease.slot.pool, message.slot)
        )
        call.begin(slot)
        if self._fleet.started(call.lease.slot, message):
            self._made_room()

    def _event(self, message: m.EventMessage) -> None:
        if (call := self._calls.get(message.id)) is not None:
            call.add_event(message)
        else:
            self._strays.count()

    def _log_line(self, message: m.LogMessage) -> None:
        if (call := self._calls.get(message.id)) is not None:
            call.add_log_line(message)
        else:
            self._strays.count()

    def _ended(self, message: m.Done | m.Failed) -> None:
        check_end(message)
        call = self._calls.pop(message.id, None)
        if call is None:
            # Repeated after a reconnect, or about a task that was given up.
            self._strays.count()
            return
        self._catch_up()
        problem = message.problem.get("type") if type(message) is m.Failed else None
        self._fleet.ended(call.lease.slot, message, fault=problem == BROWSER_CRASHED)
        if problem == UNKNOWN_THERE and not call.started:
            call.lose("the task had not reached it", gone=True)
        else:
            call.end(message)
        self._made_room()

    def _refused(self, message: m.Refused) -> None:
        call = self._calls.pop(message.id, None)
        if call is None:
            self._strays.count()
            return
        self._catch_up()
        self._fleet.refused(call.lease.slot, message.kind)
        call.end(message)
        self._made_room()

    def _functions_changed(self, message: m.Functions) -> None:
        self._changes.count()
        check_functions(message.functions)
        check_entries("tags", message.tags)
        worker = self.worker
        try:
            functions = self._specs.specs(
                message.functions, group=worker.group, contract=worker.contract
            )
        except SchemaFault as fault:
            log.warning("worker.functions_unusable", worker=worker.name, fault=str(fault))
            return
        worker.broken_changed(message.broken)
        self._fleet.functions_changed(worker, functions, message.tags)
        self._made_room()

    def _tags_changed(self, message: m.Tags) -> None:
        self._changes.count()
        check_entries("tags", message.tags)
        check_entries("versions", message.versions)
        self._fleet.tags_changed(self.worker, message.tags, message.versions)

    def _draining(self, _: m.Draining) -> None:
        if self.worker.draining:
            self._strays.count()
            return
        self._fleet.draining(self.worker)
        log.info("worker.draining", worker=self.worker.name)

    def _replied(self, reply: m.Reply) -> None:
        if (asked := self._requests.get(reply.ask)) is not None:
            asked.answered(reply)
        else:
            self._strays.count()

    def _sent_data(self, piece: m.Data) -> None:
        if (asked := self._requests.get(piece.ask)) is not None:
            asked.add(piece)
        else:
            self._strays.count()
