"""Removes finished durable tasks that are too old or too much, with all that is kept of them."""

import asyncio
import time
from collections.abc import Callable, Collection
from functools import partial

import structlog

from slotgrid.core.errors import DatabaseUnavailable
from slotgrid.records.artifacts import ArtifactStore
from slotgrid.records.connections import Work
from slotgrid.records.database import Database
from slotgrid.records.store import retention

log = structlog.get_logger()

DAY_S = 86400.0
EVERY_S = 60.0
BATCH = 1000
"""Tasks removed in one commit: between two of them, others have a go."""


class Retention:
    """Keeps finished tasks for `days`, and no more than `limit_bytes` of them (None: no bound).

    `forget` is called with the id of each that is removed: this node may have it in memory, too.
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

    async def keep_on(self) -> None:
        """Remove what is to go, now and then, for ever."""
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                await self.turn(time.time())
            except DatabaseUnavailable:
                continue
            except Exception:  # the edge of the loop: tasks go on while old ones stay
                log.exception("retention.failed")

    async def turn(self, now: float) -> None:
        """Remove what is to go at that moment (seconds since the epoch).

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
                return  # what is left is still to be delivered

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
