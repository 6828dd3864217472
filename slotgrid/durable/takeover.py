"""Nodes that share a database: who lives, and who goes on with the work of one that died."""

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
"""Between heartbeats, and between looks at those of others: who dies is taken over after at most
`DEAD_S` and one such look, 12 s, and what the takeover itself takes."""
NAMESAKE_S = 2.5 * BEAT_S
"""At start: a namesake that lives is heard of within this; a process that was killed is not."""

BATCH = 1000
"""Tasks, or rows of due work, that change hands in one transaction."""


class NameTaken(DatabaseFault):
    """Another node of this name lives on this database."""


class Replaced(Exception):
    """Another process has taken this node's name while it was silent; this one must end."""


class Survivor(Protocol):
    """What goes on with the tasks of a node that died: fulfilled by `Recovery`."""

    async def settle(self, ran: Sequence[Row]) -> None:
        """Settle tasks that are ours from now on and ran when their node died.

        May be called again with the same ones, when the database was away.
        """

    async def resume(self) -> None:
        """Go on with the queued tasks and the due work that are ours from now on."""

    async def let_go(self) -> None:
        """Drop what is held in memory and is no longer ours: a peer took it over or ended it."""


class Peers:
    """The heartbeat of this node, and its watch over those of the same group and contract.

    All times are those of the database's clock, so that no node's own can be wrong. Each takeover
    is claimed by one conditional update, which itself is a heartbeat in the dead node's place: one
    peer does it, and if that one dies as well, another. Tasks and due work change hands in batches
    of `batch`, each of which renews the claim.
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
        self._unsettled: list[Row] = []

    @asynccontextmanager
    async def known(self) -> AsyncIterator[None]:
        """Be heard of as long as the block runs. Raises NameTaken, when a live node has the name.

        Whoever goes silent loses its tasks: the block encloses all that is done with them.
        """
        await self._join()
        try:
            async with background(self._beat_on, name="heartbeat in the database"):
                yield
        finally:
            await self._leave()

    @contextmanager
    def surviving(self) -> Iterator[None]:
        """Take over from the dead as long as the block runs."""
        self._surviving = True
        try:
            yield
        finally:
            self._surviving = False

    async def _join(self) -> None:
        me = self._me
        before = await self._database.read(lambda c: nodes.seen(c, me.name))
        if before is not None and before.age_s <= NAMESAKE_S:
            # Its process may have been killed a moment ago: then nothing is heard of it.
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
        """Say that this node ends, so that a peer need not wait to go on with what it leaves."""
        try:
            await self._database.write(lambda c: nodes.beat(c, self._me, nodes.LEFT))
        except DatabaseUnavailable:
            log.warning("peers.left_unheard")

    async def _beat_on(self) -> None:
        while True:
            await self._sleep(BEAT_S)
            try:
                await self.turn()
            except DatabaseUnavailable:
                # Whoever could not be heard may live: silence counts from when we hear again.
                self._heard_since = None

    async def turn(self) -> None:
        """One heartbeat, and what is to be done for those that have none. Raises Replaced."""
        began = self._clock()
        if not await self._database.write(lambda c: nodes.beat(c, self._me, None)):
            await self._return()
        if self._surviving:
            await self._survivor.let_go()
            await self._settle()
        now = self._clock()
        if self._heard_since is None or now - began > BEAT_S:
            self._heard_since = now  # a database that is slow for us is slow for our peers
        if self._surviving:
            await self._look_after_others(now - self._heard_since)

    async def _look_after_others(self, heard_s: float) -> None:
        for name in await self._database.read(lambda c: nodes.dead(c, self._me, heard_s)):
            await self._take_over(name)

    async def _return(self) -> None:
        """Our row is gone: while we were silent, a peer took our tasks, or another our name."""
        row = await self._database.read(lambda c: nodes.seen(c, self._me.name))
        if row is not None and not row.boot.startswith(nodes.CLAIM) and row.age_s <= nodes.DEAD_S:
            raise Replaced(f"another process runs as node {self._me.name}")
        # First, so that who has not taken our tasks yet does not take them any more.
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
        await self._settle()

    async def _take_tasks(self, name: str) -> int:
        """Take one batch of tasks over; 0 when nothing is left, or the node is back."""
        me = self._me
        taken = await self._database.write(
            lambda c: nodes.take_tasks(c, me, name, limit=self._batch)
        )
        if taken is None or not taken.tasks:
            return 0
        # Noted before the next batch: an outage may come between the two.
        self._unsettled += taken.running
        self._resumes = True
        return taken.tasks

    async def _settle(self) -> None:
        if self._unsettled:
            await self._survivor.settle(self._unsettled)
            self._unsettled = []
        if self._resumes:
            await self._survivor.resume()
            self._resumes = False
