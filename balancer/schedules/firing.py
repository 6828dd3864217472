"""Fires schedules: decides outside of the database, then records everything in one transaction."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import structlog

from balancer.schedules.definitions import Definitions, Known
from balancer.schedules.plan import plan
from balancer.schedules.schedule import Schedule
from slotgrid.core.admission import Admission
from slotgrid.core.errors import (
    Conflict,
    DatabaseUnavailable,
    Draining,
    InMaintenance,
    InvalidSubmission,
    NotFound,
    NoWorker,
    ServiceError,
)
from slotgrid.core.node_state import NodeState, NodeStatus
from slotgrid.core.task import Task
from slotgrid.core.task_parts import Source
from slotgrid.durable.durable_tasks import DurableTasks
from slotgrid.records.database import Database
from slotgrid.records.store import due, schedule_firings
from slotgrid.records.store.acceptance import NewRecord
from slotgrid.records.store.due import DueClaim
from slotgrid.records.store.schedule_firings import (
    CANCELLED_BY_NEXT,
    LOST,
    Fired,
    Firing,
    FiringOutcome,
)
from slotgrid.tasks.large_input import checked_early

log = structlog.get_logger()

AT_ONCE = 1000
"""Firings under way: most are in one commit with others, some wait for a worker."""
WORKER_WAIT_S = 30.0
"""How long a firing waits for the first worker that has its function: a restart of all machines
must not lose it."""
PAUSE_S = 1.0
"""Before a firing is tried again that the database or the state of the node prevented."""

DEFECT_PAUSE_S = 30.0

OwnerExists = Callable[[str], bool]
"""Whether the principal of that name may still own tasks."""


class ScheduleFirings:
    """Fulfils `slotgrid.durable.due_work.DueHandler`: an act is one transaction.

    A node in maintenance fires nothing, so that another node can, or it does so afterwards.
    `count_refusal` counts refused tasks by the name of their problem.
    """

    lease_s = None

    def __init__(
        self,
        database: Database,
        tasks: DurableTasks,
        admission: Admission,
        status: NodeStatus,
        *,
        owner_exists: OwnerExists,
        count_refusal: Callable[[str], None],
    ) -> None:
        self._database = database
        self._tasks = tasks
        self._admission = admission
        self._status = status
        self._owner_exists = owner_exists
        self._count_refusal = count_refusal
        self.definitions = Definitions(database)

    @property
    def at_once(self) -> int:
        """Concurrent firings; none unless the node accepts tasks."""
        return AT_ONCE if self._status.state is NodeState.READY else 0

    async def act(self, claim: DueClaim) -> None:
        """Fire one schedule, or record why not."""
        try:
            known = await self.definitions.get(claim.ref)
            if known is None:
                await self._database.write(partial(due.remove, held=claim))
                return
            await self._fire_due(claim, known)
        except (DatabaseUnavailable, InMaintenance, Draining):
            await asyncio.sleep(PAUSE_S)
        except Exception:  # a defect must not keep the loop busy, nor lose the firing
            log.exception("schedule.failed", schedule=claim.ref)
            await asyncio.sleep(DEFECT_PAUSE_S)

    async def _fire_due(self, claim: DueClaim, known: Known) -> None:
        schedule, now = known.schedule, claim.until + claim.late_s
        if isinstance(schedule, InvalidSubmission):
            await self._write(_invalid(claim, known, schedule))
            return
        planned = plan(schedule.cron, schedule.missed, claim.until, now)
        firing = Firing(
            name=schedule.name,
            changed_at=known.changed_at,
            claimed_at=claim.until,
            next_at=planned.next_at,
            due_at=planned.due_at,
            outcome=FiringOutcome.MISSED,
            overlap=schedule.overlap,
            reason=planned.reason,
        )
        if not planned.starts:
            await self._write(firing)
            return
        if not self._owner_exists(known.owner):
            reason = owner_gone(known.owner)
            await self._write(replace(firing, outcome=FiringOutcome.SKIPPED, reason=reason))
            return
        key = f"schedule:{schedule.name}:{planned.due_at:.0f}"
        try:
            await self._start(firing, schedule, known.owner, key)
        except (DatabaseUnavailable, InMaintenance, Draining):
            raise
        except ServiceError as refusal:
            if isinstance(refusal, NoWorker) and claim.late_s < WORKER_WAIT_S:
                await asyncio.sleep(PAUSE_S)  # the row is still due
                return
            self._count_refusal(refusal.name)
            reason = f"{refusal.name}: {refusal.detail}"
            await self._write(replace(firing, outcome=FiringOutcome.SKIPPED, reason=reason))

    async def run_now(self, name: str, *, by: str, key: str) -> Fired:
        """Start the task of a schedule now; its next firing stays. `key` makes a retry safe.

        Raises NotFound, the reason of a refusal, or DatabaseUnavailable.
        """
        while True:
            self.definitions.forget(name)  # another node may have changed it
            known = await self.definitions.get(name)
            if known is None:
                raise NotFound(f'there is no schedule "{name}"')
            if isinstance(known.schedule, InvalidSubmission):
                raise known.schedule
            firing = Firing(
                name=name,
                changed_at=known.changed_at,
                claimed_at=None,
                next_at=None,
                due_at=None,
                outcome=FiringOutcome.SKIPPED,
                overlap=known.schedule.overlap,
                reason=f"{by} started it",
            )
            fired = await self._start(
                firing, known.schedule, known.owner, f"schedule:{name}:by hand:{key}"
            )
            if not fired.lost:
                return fired

    async def _start(self, firing: Firing, schedule: Schedule, owner: str, key: str) -> Fired:
        """Record the firing with its task. Raises the reason of a refusal."""
        if not self._owner_exists(owner):
            raise Conflict(owner_gone(owner))
        task = await self._admitted(schedule, owner)
        fired = LOST

        async def write(record: NewRecord) -> bool:
            nonlocal fired
            fired = await self._write(replace(firing, record=record))
            return fired.new

        await self._tasks.accept_by(task, key, write)
        for task_id in fired.previous:
            await self._tasks.stop(task_id, CANCELLED_BY_NEXT)
        return fired

    async def _admitted(self, schedule: Schedule, owner: str) -> Task:
        submission = schedule.submission
        return await self._admission.admit_within(
            submission,
            owner=owner,
            source=Source("schedule", schedule.name),
            checked=await checked_early(self._admission, submission, submission.size),
        )

    async def _write(self, firing: Firing) -> Fired:
        fired = await self._database.write_with_others(schedule_firings.fire, firing)
        if fired.lost:
            self.definitions.forget(firing.name)
        elif fired.outcome is FiringOutcome.STARTED:
            log.info("schedule.started", schedule=firing.name, task_id=fired.task_id)
        else:
            log.warning(f"schedule.{fired.outcome}", schedule=firing.name, reason=fired.reason)
        return fired


def owner_gone(owner: str) -> str:
    """Why a schedule fires nothing."""
    return f'its owner "{owner}" was removed; replace the schedule to own it'


def _invalid(claim: DueClaim, known: Known, fault: InvalidSubmission) -> Firing:
    """The last firing of a schedule whose times are unknown."""
    return Firing(
        name=claim.ref,
        changed_at=known.changed_at,
        claimed_at=claim.until,
        next_at=None,
        due_at=claim.until,
        outcome=FiringOutcome.SKIPPED,
        reason=f"its definition is no longer valid: {fault.detail}",
    )
