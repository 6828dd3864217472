"""The loop that does due work of a node: it claims rows of one table and acts on them."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Protocol

import structlog

from slotgrid.core.errors import DatabaseUnavailable
from slotgrid.records.database import Database
from slotgrid.records.store import due
from slotgrid.records.store.due import DueClaim, DueKind
from slotgrid.runtime.background import background

log = structlog.get_logger()

LOOK_S = 2.0
"""Longest sleep between two polls: other nodes may schedule work that any node may do."""
END_S = 5.0
"""Time limit, at the end of the node, for the cancelled acts to end."""


class DueHandler(Protocol):
    """Does the due work of one kind.

    `lease_s` is the duration of a claim. It is longer than an act, as an expired claim repeats the
    work. None: the effect is rows, and the act claims its row in the transaction that writes them
    (`DueClaim.holds`). `at_once` limits the concurrent acts of a node; 0 while it may not act.
    """

    @property
    def lease_s(self) -> float | None:
        """Seconds of a claim."""

    @property
    def at_once(self) -> int:
        """Concurrent acts."""

    async def act(self, claim: DueClaim) -> None:
        """Do the work, then remove or reschedule its row.

        The end of the node cancels the act: its claim expires, or the next process releases it.
        """


class DueWork:
    """Sleeps until the next row is due or `wake` is called, claims due rows, and acts."""

    def __init__(self, database: Database, node: str) -> None:
        self._database = database
        self._node = node
        self._handlers: Mapping[DueKind, DueHandler] = {}
        self._under_way: dict[DueKind, dict[str, asyncio.Task[None]]] = {}
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Poll now: a new row may be due."""
        self._wake.set()

    @asynccontextmanager
    async def running(self, handlers: Mapping[DueKind, DueHandler]) -> AsyncIterator[None]:
        """Do due work during the block, first the rows that an earlier process had claimed.

        Raises DatabaseUnavailable.
        """
        self._handlers = handlers
        self._under_way = {kind: {} for kind in handlers}
        await self._database.write(lambda c: due.release(c, self._node))
        try:
            async with background(self._run, name="due work"):
                yield
        finally:
            left = [act for acts in self._under_way.values() for act in acts.values()]
            for act in left:
                act.cancel()
            if left:
                await asyncio.wait(left, timeout=END_S)

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            try:
                sleep_s = await self._run_once()
            except DatabaseUnavailable:
                sleep_s = LOOK_S  # the database logs the outage
            except Exception:  # edge of the loop: a missing permission must not end the node
                log.exception("due.look_failed")
                sleep_s = LOOK_S
            if sleep_s > 0:
                await self._sleep(sleep_s)

    async def _sleep(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(min(seconds, LOOK_S)):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _run_once(self) -> float:
        """Claim and begin due work within the limits; returns the seconds to sleep."""
        kinds = [kind for kind in self._handlers if self._room(kind) > 0]
        if not kinds:
            return LOOK_S  # the end of an act wakes the loop
        node = self._node
        # The rows of acts under way stay due until the commit, where the act makes the claim.
        looked_at = {
            kind: tuple(self._under_way[kind]) if self._handlers[kind].lease_s is None else ()
            for kind in kinds
        }
        wait_s = await self._database.read(lambda c: due.seconds_until_next(c, looked_at, node))
        if wait_s is None:
            return LOOK_S
        if wait_s > 0:
            return wait_s
        began = sum([await self._begin(kind) for kind in kinds])
        # No claim although a row is due: its act still runs under an expired claim.
        return 0.0 if began else LOOK_S

    async def _begin(self, kind: DueKind) -> int:
        handler, acts = self._handlers[kind], self._under_way[kind]
        for claim in (claims := await self._claims(kind, handler.lease_s, list(acts))):
            act = asyncio.get_running_loop().create_task(
                self._act(handler, claim), name=f"{kind} {claim.ref}"
            )
            acts[claim.ref] = act
            act.add_done_callback(partial(self._ended, claim))
        return len(claims)

    async def _claims(
        self, kind: DueKind, lease_s: float | None, under_way: Sequence[str]
    ) -> Sequence[DueClaim]:
        node, limit = self._node, self._room(kind)
        if lease_s is None:
            return await self._database.read(
                partial(due.due_now, kind=kind, node=node, limit=limit, under_way=under_way)
            )
        return await self._database.write(
            partial(
                due.claim,
                kind=kind,
                node=node,
                lease_s=lease_s,
                limit=limit,
                under_way=under_way,
            )
        )

    def _room(self, kind: DueKind) -> int:
        return self._handlers[kind].at_once - len(self._under_way[kind])

    def _ended(self, claim: DueClaim, _: "asyncio.Task[None]") -> None:
        was_full = self._room(claim.kind) <= 0
        del self._under_way[claim.kind][claim.ref]
        # An act without a lease may have moved its row to a time before the next look.
        if was_full or self._handlers[claim.kind].lease_s is None:
            self.wake()

    async def _act(self, handler: DueHandler, claim: DueClaim) -> None:
        try:
            await handler.act(claim)
        except Exception:
            # A defect of ours. The claim stays, so that its expiry causes a retry.
            log.exception("due.act_failed", kind=claim.kind, ref=claim.ref)
