"""Runs a task on a worker's slot: the runner of core's supervisor at a balancer."""

import asyncio
from collections.abc import Coroutine
from typing import Any, cast

import structlog

from balancer.fleet.fleet import Fleet
from balancer.fleet.links import Links
from balancer.fleet.remote_call import LostCall, Outcome, RemoteCall
from balancer.fleet.remote_files import RemoteFiles
from slotgrid.core.errors import BodyTooLarge, ServiceError, WorkerLost
from slotgrid.core.lease import Lease
from slotgrid.core.problem_decoding import from_problem
from slotgrid.core.runner import AttemptFailed, Refused
from slotgrid.core.task import Task
from slotgrid.core.task_parts import Artifact, Step, Traffic
from slotgrid.core.task_states import StepState
from slotgrid.wire import messages as m
from slotgrid.wire.link import MessageTooLarge
from slotgrid.wire.message_parts import SourceInfo, StepInfo

log = structlog.get_logger()

ENDS = (m.Done, m.Failed)
"""Messages of a worker about a task that has ended there."""
NO_ROOM_S = 0.05
"""Pause before a task with a large input tries again a link above its high-water mark."""
CANCEL_WITHIN_S = 15.0
"""For the worker's escalation after a cancel."""


class RemoteRunner:
    """Implements `slotgrid.core.runner.SlotRunner` with slots of other machines."""

    def __init__(self, fleet: Fleet, links: Links, files: RemoteFiles) -> None:
        self._fleet = fleet
        self._links = links
        self._files = files
        self._calls: dict[Lease, RemoteCall] = {}

    async def run(self, task: Task, lease: Lease) -> bytes:
        """The function's result as JSON. Raises AttemptFailed, Refused or CancelledError."""
        session = self._links.session(lease.slot.worker)
        if session is None or self._fleet.target(lease.slot) is not session.worker:
            raise Refused  # its link was lost after the choice
        if not session.link.has_room(task.submission.size):
            raise Refused(pause_s=NO_ROOM_S)  # the link is above its high-water mark
        try:
            call = session.send(_message(task), task, lease)
        except MessageTooLarge as error:
            raise AttemptFailed(BodyTooLarge(str(error)), retryable=False) from error
        self._calls[lease] = call
        try:
            outcome = await call.outcome
        finally:
            call.close()
        if isinstance(outcome, ENDS):
            _note(task, outcome)
            if task.durable and task.artifacts:
                await self._files.keep(task)
        return _result(task, call, outcome)

    def clean(self, task: Task, lease: Lease) -> Coroutine[Any, Any, None] | None:
        """For a task that was given up here: cancel it at the worker, and wait for its end."""
        call = self._calls.pop(lease, None)
        if call is None:
            return None
        if call.over:
            call.session.forget(call)
            return None
        return self._give_up(call)

    async def _give_up(self, call: RemoteCall) -> None:
        """Cancel the task at the worker; wait until the worker has released it or is gone.

        A late worker, now or before, counts as a failure of the worker; a cancel does not.
        """
        fault = not call.outcome.cancelled()
        reason = call.task.cancel_reason or "the balancer abandoned it"
        call.session.link.send(m.Cancel(id=call.task.id, reason=reason), lane=call.task.id)
        try:
            async with asyncio.timeout(CANCEL_WITHIN_S):
                await call.wait_over()
        except TimeoutError:
            fault = True
            log.warning(
                "worker.does_not_cancel", worker=call.lease.slot.worker, task_id=call.task.id
            )
        if fault:
            self._fleet.ended(call.lease.slot, fault=True)
        call.session.forget(call)


def _result(task: Task, call: RemoteCall, outcome: Outcome) -> bytes:
    match outcome:
        case m.Done():
            return bytes(outcome.result)
        case m.Failed():
            raise AttemptFailed(from_problem(outcome.problem), retryable=outcome.retryable)
        case m.Refused():
            task.log(f"{task.worker} refused it ({outcome.kind}): {outcome.reason}")
            raise Refused
        case LostCall(unsure=False) if not call.started:
            task.log(f"{task.worker} was lost before it started: {outcome.reason}")
            raise Refused
        case LostCall():
            raise AttemptFailed(_lost(task, outcome), retryable=True)


def _message(task: Task) -> m.TaskMessage:
    submission = task.submission
    return m.TaskMessage(
        id=task.id,
        function=task.spec.name,
        contract=task.spec.contract,
        input=task.input,
        pool=submission.place.pool,
        slot=submission.place.slot,
        owner=task.owner,
        source=SourceInfo(kind=task.source.kind, id=task.source.id),
        priority=submission.priority,
        timeout_s=task.timeout_s,
        attempt=task.attempts[-1].number,
        metadata=submission.metadata,
        trace=submission.trace,
        mode=cast(m.ModeName, submission.mode.value),
        created_at=task.created_at,
    )


def _lost(task: Task, lost: LostCall) -> ServiceError:
    when = "and the task may have started there" if lost.unsure else "while the task ran"
    return WorkerLost(
        f"the worker {task.worker} was lost {when}: {lost.reason}", reason=lost.reason
    )


def _note(task: Task, end: m.Done | m.Failed) -> None:
    """Store the artifacts and steps from the worker's last message in the task."""
    for file in end.artifacts:
        task.artifacts[file.name] = Artifact.of(task.id, file.name, file.size, file.content_type)
    task.steps = [*map(_step, end.steps)]
    if (moved := end.traffic) is not None:
        traffic = Traffic(moved.received_bytes, moved.sent_bytes, moved.connections)
        task.traffic = traffic if task.traffic is None else task.traffic + traffic


def _step(step: StepInfo) -> Step:
    return Step(
        step.name,
        step.function,
        StepState(step.status),
        step.started_at,
        step.ended_at,
        bytes(step.output),
        step.error,
        bytes(step.input),
        step.worker,
        step.action,
    )
