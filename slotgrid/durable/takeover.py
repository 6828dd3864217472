"""Heartbeats of the nodes that share a database, and the takeover of dead nodes."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Protocol

import structlog

from slotgrid.core.errors import DatabaseUnavailable
from slotgrid.records.database import Database
from slotgrid.records.engines import DatabaseFault
from slotgrid.records.store import nodes
from slotgrid.records.store.nodes import Identity
from slotgrid.records.store.rows import Row
from slotgrid.runtime.background import background

log = structlog.get_logger()

BEAT_S = 2.0
"""Interval of the heartbeats and of the checks for dead peers. The takeover of a dead node begins
after at most `DEAD_S` plus one interval, 12 s."""
NAMESAKE_S = 2.5 * BEAT_S
"""Wait at the start: a live node of the same name sends a heartbeat within this time."""

BATCH = 1000
"""Tasks, or rows of due work, that one transaction takes over."""


class NameTaken(DatabaseFault):
    """A live node on this database has the same name."""


class Replaced(Exception):
    """Another process took this node's name during its silence; this process must end."""


class Survivor(Protocol):
    """Continues the tasks of a dead node. `Recovery` implements it."""

    async def recover(self, ran: Sequence[Row]) -> None:
        """Settle tasks that were running at a dead node and are ours now.

        May be called again with the same tasks after an outage.
        """

    async def resume(self) -> None:
        """Continue the queued tasks and the due work that are ours now."""

    async def release_tasks(self) -> None:
        """Drop tasks in memory that a peer has taken over or ended."""


class Peers:
    """Sends this node's heartbeats and takes over dead nodes of the same group and contract.

    Heartbeats use the database's clock, so that a node's wrong clock does no harm. One conditional
    update claims a takeover and also writes a heartbeat for the dead node. So one peer takes over,
    and if it dies as well, another. Tasks and due work are taken over in batches of `batch`, each
    of which renews the claim.
    """

    def __init__(
        self,
        database: Database,
        me: Identity,
        survivor: Survivor,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        batch: int = BATCH,
    ) -> None:
        self._database = database
        self._me = me
        self._survivor = survivor
        self._clock = clock
        self._sleep = sleep
        self._heard_since: float | None = None
        self._surviving = False
        self._batch = batch
        self._resumes = False
        self._unrecovered: list[Row] = []

    @asynccontextmanager
    async def known(self) -> AsyncIterator[None]:
        """Send heartbeats during the block. Raises NameTaken if a live node has the name.

        A silent node loses its tasks, so the block must enclose all work on tasks.
        """
        await self._join()
        try:
            async with background(self._keep_beating, name="heartbeat in the database"):
                yield
        finally:
            await self._leave()

    @contextmanager
    def surviving(self) -> Iterator[None]:
        """Take over dead nodes during the block."""
        self._surviving = True
        try:
            yield
        finally:
            self._surviving = False

    async def _join(self) -> None:
        me = self._me
        before = await self._database.read(lambda c: nodes.seen(c, me.name))
        if before is not None and before.age_s <= NAMESAKE_S:
            # A process that was killed a moment ago sends no further heartbeat.
            log.info("peers.waiting_for_a_namesake", node=me.name, seen_s_ago=round(before.age_s))
            await self._sleep(NAMESAKE_S - before.age_s)
            after = await self._database.read(lambda c: nodes.seen(c, me.name))
            if after is not None and after.at > before.at:
                raise NameTaken(
                    f"another node named {me.name} lives on this database;"
                    " every node needs a NODE_NAME of its own"
                )
        await self._database.write(lambda c: nodes.enter(c, me))
        self._heard_since = self._clock()

    async def _leave(self) -> None:
        """Record that this node ends, so that a peer takes over its remaining tasks at once."""
        try:
            await self._database.write(lambda c: nodes.beat(c, self._me, nodes.LEFT))
        except DatabaseUnavailable:
            log.warning("peers.left_unheard")

    async def _keep_beating(self) -> None:
        while True:
            await self._sleep(BEAT_S)
            try:
                await self.run_once()
            except DatabaseUnavailable:
                # Silent peers may be alive: their silence counts from our next heartbeat.
                self._heard_since = None

    async def run_once(self) -> None:
        """Send one heartbeat and take over dead nodes. Raises Replaced."""
        began = self._clock()
        if not await self._database.write(lambda c: nodes.beat(c, self._me, None)):
            await self._return()
        if self._surviving:
            await self._survivor.release_tasks()
            await self._recover()
        now = self._clock()
        if self._heard_since is None or now - began > BEAT_S:
            self._heard_since = now  # a database that is slow for us is slow for our peers
        if self._surviving:
            await self._take_over_dead_nodes(now - self._heard_since)

    async def _take_over_dead_nodes(self, heard_s: float) -> None:
        for name in await self._database.read(lambda c: nodes.dead(c, self._me, heard_s)):
            await self._take_over(name)

    async def _return(self) -> None:
        """Return after silence: a peer took our tasks, or another process took our name."""
        row = await self._database.read(lambda c: nodes.seen(c, self._me.name))
        if row is not None and not row.boot.startswith(nodes.CLAIM) and row.age_s <= nodes.DEAD_S:
            raise Replaced(f"another process runs as node {self._me.name}")
        # First, so that a peer cannot take more of our tasks.
        await self._database.write(lambda c: nodes.enter(c, self._me))
        log.error("peers.was_silent", node=self._me.name)
        self._resumes = True

    async def _take_over(self, name: str) -> None:
        me = self._me
        silent_s = await self._database.write(lambda c: nodes.claim(c, me, name))
        if silent_s is None:
            return
        taken = 0
        while batch := await self._take_tasks(name):
            taken += batch
        while await self._database.write(lambda c: nodes.take_due(c, me, name, limit=self._batch)):
            self._resumes = True
        if await self._database.write(lambda c: nodes.forget(c, me, name)) or taken:
            log.warning("peers.took_over", node=name, tasks=taken, silent_s=round(silent_s, 3))
        await self._recover()

    async def _take_tasks(self, name: str) -> int:
        """Take over one batch of tasks; 0 if none are left or the node is back."""
        me = self._me
        taken = await self._database.write(
            lambda c: nodes.take_tasks(c, me, name, limit=self._batch)
        )
        if taken is None or not taken.tasks:
            return 0
        # Noted before the next batch, as an outage may begin between the two.
        self._unrecovered += taken.running
        self._resumes = True
        return taken.tasks

    async def _recover(self) -> None:
        if self._unrecovered:
            await self._survivor.recover(self._unrecovered)
            self._unrecovered = []
        if self._resumes:
            await self._survivor.resume()
            self._resumes = False
