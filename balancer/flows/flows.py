"""The flows of a balancer: runs them, ends their tasks with them, starts what follows."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial

import orjson
import structlog

from balancer.flows.flow_run import FlowRun
from balancer.flows.parts import FlowParts
from slotgrid.core.errors import DatabaseUnavailable, NoWorker, QueueFull, ServiceError
from slotgrid.core.submission import Submission
from slotgrid.core.supervisor import Supervisor
from slotgrid.core.task import Task
from slotgrid.core.task_parts import Source
from slotgrid.records.store import flow_rows
from slotgrid.runtime.background import background

log = structlog.get_logger()

SWEEP_S = 5.0
"""Between two looks at ended flows, besides those at once after each end."""
SWEPT_AT_ONCE = 500
RECORDED_S = 0.1
"""Until the ends of so many tasks are likely to be recorded."""
ENDS = {"completed": "has ended", "failed": "has failed", "cancelled": "was cancelled"}


class Flows:
    """Runs the flows of this node. Fulfils `SlotlessRunner` and `FlowEnds`."""

    def __init__(self, parts: FlowParts, *, node: str) -> None:
        self._parts = parts
        self._node = node
        self._runs: dict[str, FlowRun] = {}
        self._ended = asyncio.Event()

    async def run(self, task: Task) -> bytes:
        """As `SlotlessRunner.run`."""
        run = self._runs[task.id] = await FlowRun.begin(task, self._parts)
        return await run.result()

    def after(self, flow: Task) -> str | None:
        """As `FlowEnds.after`."""
        run = self._runs.pop(flow.id, None)
        return None if run is None else run.after()

    def child_ended(self, flow_id: str) -> None:
        """As `FlowEnds.child_ended`."""
        if (run := self._runs.get(flow_id)) is not None:
            run.wake()

    def flow_ended(self, flow_id: str) -> None:
        """As `FlowEnds.flow_ended`."""
        self._ended.set()

    @asynccontextmanager
    async def running(self, supervisor: Supervisor) -> AsyncIterator[None]:
        """End the tasks of ended flows, and start what follows them, during the block."""
        async with background(partial(self._sweep, supervisor), name="ended flows"):
            yield

    async def _sweep(self, supervisor: Supervisor) -> None:
        while True:
            self._ended.clear()
            more = False
            with suppress(DatabaseUnavailable):  # the database logs the outage
                more = await self._end_orphans(supervisor) == SWEPT_AT_ONCE
                await self._start_followers()
            if more:
                await asyncio.sleep(RECORDED_S)
                continue
            try:
                async with asyncio.timeout(SWEEP_S):
                    await self._ended.wait()
            except TimeoutError:
                continue

    async def _start_followers(self) -> None:
        """Start what follows ended flows; what no worker offers now is tried again later."""
        database, durable = self._parts.database, self._parts.durable
        for row in await database.read(lambda c: flow_rows.followers_due(c, SWEPT_AT_ONCE)):
            try:
                task = self._parts.admission.admit_accepted(
                    Submission.parse(orjson.loads(row.after)),
                    owner=row.owner,
                    source=Source("flow", row.id),
                )
                await durable.start_steps([task])
            except (NoWorker, QueueFull):
                continue
            except DatabaseUnavailable:
                raise
            except ServiceError as refusal:
                log.warning("flow.follower_refused", task_id=row.id, reason=refusal.detail)
                await database.write(partial(flow_rows.take_follower, task_id=row.id))

    async def _end_orphans(self, supervisor: Supervisor) -> int:
        """Cancel tasks whose flow has ended; returns how many were found."""
        database, durable = self._parts.database, self._parts.durable
        found = await database.read(lambda c: flow_rows.orphans(c, self._node, SWEPT_AT_ONCE))
        held = {task.id: task for task in durable.held()} if found else {}
        on_disk = []
        for task_id, status in found:
            reason = f"its flow {ENDS[status]}"
            if task_id in held:
                supervisor.cancel(held[task_id], reason)
            else:
                on_disk.append(durable.cancel(task_id, reason))
        await asyncio.gather(*on_disk)  # together, so that they share commits
        return len(found)
