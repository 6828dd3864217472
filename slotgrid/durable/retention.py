"""Removes finished durable tasks beyond the limits of age and bytes, with their files."""

import asyncio
import time
from collections.abc import Callable, Collection
from functools import partial

import structlog

from slotgrid.core.errors import DatabaseUnavailable
from slotgrid.records.artifacts import ArtifactStore
from slotgrid.records.database import Database
from slotgrid.records.database_connections import Work
from slotgrid.records.store import retention

log = structlog.get_logger()

DAY_S = 86400.0
EVERY_S = 60.0
BATCH = 1000
"""Tasks removed in one commit; other writes run between two commits."""


class Retention:
    """Keeps finished tasks for `days`, and no more than `limit_bytes` of them (None: no limit).

    `forget` is called with the id of each removed task, which may be in memory, too.
    """

    def __init__(
        self,
        database: Database,
        artifacts: ArtifactStore,
        *,
        days: float,
        limit_bytes: int | None,
        forget: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._database = database
        self._artifacts = artifacts
        self._days = days
        self._limit_bytes = limit_bytes
        self._forget = forget

    async def run(self) -> None:
        """Remove tasks beyond the limits, each minute."""
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                await self.run_once(time.time())
            except DatabaseUnavailable:
                continue
            except Exception:  # edge of the loop: the node continues, old tasks stay
                log.exception("retention.failed")

    async def run_once(self, now: float) -> None:
        """Remove the tasks beyond the limits at the time `now` (seconds since the epoch).

        Raises DatabaseUnavailable.
        """
        before = now - self._days * DAY_S
        while await self._remove(
            partial(retention.remove_finished, before=before, limit=BATCH), "age"
        ):
            continue
        while (excess := await self._excess()) > 0:
            work = partial(retention.remove_oldest, excess=excess, limit=BATCH)
            if not await self._remove(work, "size"):
                return  # the remaining tasks have pending webhooks

    async def _excess(self) -> int:
        if self._limit_bytes is None:
            return 0
        return await self._database.read(retention.kept_bytes) - self._limit_bytes

    async def _remove(self, work: Work[Collection[str]], reason: str) -> int:
        removed = await self._database.write(work)
        if removed:
            for task_id in removed:
                self._forget(task_id)
            await self._artifacts.remove_ids(removed)
            log.info("retention.removed", tasks=len(removed), reason=reason)
        return len(removed)
