"""The database behind durable work: SQLite by default, PostgreSQL where several nodes share it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import SQLAlchemyError

from slotgrid.core.errors import DatabaseUnavailable
from slotgrid.records.availability import PROBED, Availability, Cause
from slotgrid.records.connections import CUT_S, Connections, DatabaseAway, Work
from slotgrid.records.engines import BUSY_S, DatabaseFault, end, is_away, reason, where
from slotgrid.records.migrations import migrate
from slotgrid.records.writer import WorkOnMany, Write, Writer
from slotgrid.runtime.background import background

log = structlog.get_logger()

T = TypeVar("T")
Item = TypeVar("Item")

READERS = 4
POOL = READERS + 2
"""Connections that it uses at most: beside the readers, the writer and the probe."""
ANSWER_S = 12.0
"""A request that has not begun by then is withdrawn, and one that has makes the watch probe."""
TICK_S = 1.0
"""Of the watch. Times are counted in ticks, so that a process that was stopped for a while does not
take its own silence for the database's."""


@dataclass(eq=False, slots=True)
class _Request:
    """An answer that is waited for. `withdraw` returns whether the request will never begin."""

    answer: "asyncio.Future[Any]"
    withdraw: Callable[[], bool]
    age_s: float = 0.0
    expired: bool = False


class Database:
    """Reads in a few threads; writes in one, which commits what waits together.

    Every method raises DatabaseUnavailable when the database does not answer. A watch, the one
    owner of time here, ends what takes too long and probes for as long as an outage lasts.
    """

    def __init__(
        self,
        engine: sa.Engine,
        *,
        answer_s: float = ANSWER_S,
        cut_s: float = CUT_S,
        tick_s: float = TICK_S,
    ) -> None:
        self._engine = engine
        self._answer_s = answer_s
        self._tick_s = tick_s
        self._availability = Availability()
        self._connections = Connections(engine, self._availability, answer_s=answer_s, cut_s=cut_s)
        self._writer = Writer(self._connections, self._availability)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="db-read")
        self._prober = ThreadPoolExecutor(1, thread_name_prefix="db-probe")
        self._probing: Future[None] | None = None
        self._empty_write: asyncio.Task[None] | None = None
        self._requests: set[_Request] = set()
        self._returned = asyncio.Event()
        self._ended = True

    @property
    def unavailable(self) -> str | None:
        """Why it does not do its work, by what was asked of it last; None while it does."""
        return "it is closed" if self._ended else self._availability.reason

    @property
    def where(self) -> str:
        """Which database it is, for the operator."""
        return where(self._engine)

    @property
    def is_sqlite(self) -> bool:
        """Whether only this machine can use it."""
        return self._engine.dialect.name == "sqlite"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Bring the tables up to date, and read and write. Raises DatabaseFault."""
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._readers, self._open)
        except (SQLAlchemyError, DatabaseAway) as cause:
            self._close()
            raise DatabaseFault(f"{where(self._engine)} cannot be used: {reason(cause)}") from cause
        except DatabaseFault:
            self._close()
            raise
        self._ended = False
        try:
            async with background(self._watch, name="watch of the database"):
                try:
                    yield
                finally:
                    self._ended = True
                    with ThreadPoolExecutor(1, thread_name_prefix="db-end") as own:
                        await loop.run_in_executor(own, self._writer.end, BUSY_S)
        finally:
            self._close()

    def _open(self) -> None:
        migrate(self._engine)
        self._connections.opened()
        self._writer.start()

    def _close(self) -> None:
        for threads in (self._readers, self._prober):
            threads.shutdown(wait=False, cancel_futures=True)
        end(self._engine)

    async def read(self, work: Work[T]) -> T:
        """What `work` returns, on a connection of its own."""
        self._check()
        reading = self._readers.submit(self._connections.run, work)
        return await self._answer(asyncio.wrap_future(reading), lambda: True)

    async def write(self, work: Work[T]) -> T:
        """What `work` returns, once it is committed; DatabaseUnavailable means that it is not.

        It may be run more than once, when a neighbour fails or another node is faster; what is
        committed is one run. Who stops waiting before it begins has it left out. One that has begun
        is waited for until its outcome is certain, however long the database is away.
        """
        return await self.write_with_others(_one_by_one, work)

    async def write_with_others(self, work: WorkOnMany[Item, T], item: Item) -> T:
        """As `write`; what `work` returns for `item` among those of others, one result for each.

        Statements are what costs, so those who want the same at the same moment share them. Work
        of one kind keeps its order, but may come before work of another kind that was asked for
        earlier: whoever needs an order waits for the first before asking for the second.
        """
        self._check()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        write = Write(work, item, answer, loop)
        self._writer.put(write)
        return await self._answer(answer, write.withdraw)

    async def until_returned(self) -> None:
        """Return after the next outage, or at once after one that nobody has asked for yet."""
        await self._returned.wait()
        self._returned.clear()

    def _check(self) -> None:
        if self._ended or self._availability.refusing is not None:
            raise self._unavailable()

    async def _answer(self, answer: "asyncio.Future[T]", withdraw: Callable[[], bool]) -> T:
        request = _Request(answer, withdraw)
        me = asyncio.current_task()
        cancels = me.cancelling() if me is not None else 0
        self._requests.add(request)
        try:
            return await answer
        except asyncio.CancelledError:
            if request.expired and (me is None or me.cancelling() == cancels):
                raise self._unavailable() from None
            withdraw()
            raise
        except DatabaseAway as cause:
            raise self._unavailable() from cause
        except SQLAlchemyError as cause:
            if not is_away(cause):
                raise
            if self._availability.reason is None:  # a fault of this request alone
                log.warning("database.request_failed", reason=reason(cause))
            raise self._unavailable() from cause
        finally:
            self._requests.discard(request)

    def _unavailable(self) -> DatabaseUnavailable:
        why = "the database does not answer"
        if self._availability.has(Cause.FILE):
            why = (
                "the database's file was removed from DATA_DIR while the node runs; its operator"
                " has to put it back or to restart the node"
            )
        return DatabaseUnavailable(f"{why}; nothing was accepted", retry_after_s=5)

    # The watch

    async def _watch(self) -> None:
        outages = 0
        while True:
            await asyncio.sleep(self._tick_s)
            self._withdraw_old_requests()
            self._connections.age(self._tick_s)
            self._probe()
            if self._availability.outages > outages and self._availability.reason is None:
                outages = self._availability.outages
                self._returned.set()

    def _withdraw_old_requests(self) -> None:
        for request in list(self._requests):
            request.age_s += self._tick_s
            if request.age_s >= self._answer_s and request.withdraw():
                request.expired = True
                request.answer.cancel()

    def _probe(self) -> None:
        """Ask for what is known not to work, one request of a kind at a time."""
        if self._availability.has(*PROBED) and (self._probing is None or self._probing.done()):
            self._probing = self._prober.submit(self._connections.probe)
        if self._availability.has(Cause.WRITES) and (
            self._empty_write is None or self._empty_write.done()
        ):
            self._empty_write = asyncio.create_task(self._write_nothing())

    async def _write_nothing(self) -> None:
        try:
            await self.write(lambda _: None)
        except DatabaseUnavailable:
            return


def _one_by_one(connection: sa.Connection, works: Sequence[Work[Any]]) -> list[Any]:
    return [work(connection) for work in works]
