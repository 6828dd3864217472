"""Recovers tasks whose process has died: this node's own, and those of dead peers."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import structlog

from slotgrid.core.admission import Admission
from slotgrid.core.errors import DatabaseUnavailable, WorkerLost
from slotgrid.core.task_retry import may_retry
from slotgrid.durable.durable_tasks import DurableTasks
from slotgrid.durable.rehydration import step_retry_of
from slotgrid.records.database import Database
from slotgrid.records.store import rows, state_changes, waiting
from slotgrid.records.store.rows import Row

log = structlog.get_logger()

LOOK_S = 0.2
"""Interval of the checks whether unknown functions have become known."""


class Recovery:
    """Requeues or fails recorded tasks. Implements `slotgrid.durable.takeover.Survivor`.

    The `retries` of its function decide whether a task that ran may run again. Within
    `functions_within_s` after the start, an unknown function may become known, so its tasks wait.
    `taken` is called after this node has taken over tasks and due work of another node.
    """

    def __init__(
        self,
        database: Database,
        tasks: DurableTasks,
        *,
        node: str,
        admission: Admission,
        taken: Callable[[], None] = lambda: None,
        functions_within_s: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._database = database
        self._tasks = tasks
        self._taken = taken
        self._node = node
        self._admission = admission
        self._clock = clock
        self._functions_until = clock() + functions_within_s
        self._sleep = sleep
        self._later: dict[str, Row] = {}
        self._some_wait = asyncio.Event()

    async def recover_own(self) -> None:
        """Settle the tasks that were running when this node's last process ended."""
        node = self._node
        for row in await self._database.read(lambda c: waiting.left_running(c, node)):
            await self._recover_or_wait(row)

    async def recover_later(self) -> None:
        """Settle tasks of unknown functions once the function is known or its time is over."""
        while True:
            await self._some_wait.wait()
            await self._sleep(LOOK_S)
            due = [row.id for row in self._later.values() if not self._may_become_known(row)]
            if not due:
                continue
            try:
                # Read again: a cancel may have been recorded meanwhile.
                left = await self._database.read(lambda c: waiting.left_running(c, self._node))
                for row in left:
                    if row.id in due:
                        await self._recover(row)
                await self._tasks.take_up()
            except DatabaseUnavailable:
                continue  # the database logs the outage
            else:
                for task_id in due:
                    del self._later[task_id]
                if not self._later:
                    self._some_wait.clear()

    async def recover(self, ran: Sequence[Row]) -> None:
        """Settle tasks that were running at a dead node and are ours now."""
        for row in ran:
            await self._recover_or_wait(row)

    async def resume(self) -> None:
        """Continue the queued tasks and the due work of a node that was taken over."""
        await self._tasks.take_up()
        self._taken()

    async def release_tasks(self) -> None:
        """Drop tasks in memory that a peer has taken over or ended."""
        node, held = self._node, self._tasks.held()
        if not held:
            return
        ids = [task.id for task in held]
        ours = await self._database.read(lambda c: rows.owned(c, node, ids))
        for task in held:
            if task.id not in ours:
                log.warning("durable.let_go", task_id=task.id)
                self._tasks.release_tasks(task)

    async def _recover_or_wait(self, row: Row) -> None:
        if self._may_become_known(row):
            self._later[row.id] = row
            self._some_wait.set()
            log.info("durable.waits_for_its_function", task_id=row.id, function=row.function)
        else:
            await self._recover(row)

    def _may_become_known(self, row: Row) -> bool:
        known = self._admission.known(row.function, row.group_name) is not None
        return not known and self._clock() < self._functions_until

    async def _recover(self, row: Row) -> None:
        """Requeue a task that ran if its function has retries left, else fail it as lost."""
        if row.cancel_reason is not None:
            await self._tasks.cancel(row.id, row.cancel_reason)
            return
        spec = self._admission.known(row.function, row.group_name)
        goes_on = spec is not None and spec.always_durable  # from its own rows
        if goes_on or may_retry(spec, row.starts, step_retry_of(row)):
            await self._database.write(partial(state_changes.requeue, row=row))
            log.info("durable.runs_again", task_id=row.id, starts=row.starts)
            return
        error = WorkerLost(
            "the node crashed while the task ran; the task may have taken effect",
            task_id=row.id,
            reason="node-ended",
        )
        await self._tasks.fail(row.id, error)
