"""The database of durable work: SQLite by default, PostgreSQL if several nodes share it."""

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
from slotgrid.records.database_connections import CUT_S, Connections, DatabaseAway, Work
from slotgrid.records.engines import BUSY_S, DatabaseFault, end, is_away, reason, where
from slotgrid.records.migrations import migrate
from slotgrid.records.writer import WorkOnMany, Write, Writer
from slotgrid.runtime.background import background

log = structlog.get_logger()

T = TypeVar("T")
Item = TypeVar("Item")

READERS = 4
POOL = READERS + 2
"""Maximum number of connections: for the readers, the writer and the probe."""
ANSWER_S = 12.0
"""Age at which the watch withdraws a read or a write that has not begun. A use of a connection
that takes this long makes the watch probe."""
TICK_S = 1.0
"""Interval of the watch. It counts time in ticks, so that a suspended process does not take its own
pause for an outage of the database."""


@dataclass(eq=False, slots=True)
class _Request:
    """A pending request. `withdraw` returns False for a write that has begun."""

    answer: "asyncio.Future[Any]"
    withdraw: Callable[[], bool]
    age_s: float = 0.0
    expired: bool = False


class Database:
    """Reads in a few threads; writes in one thread, which commits waiting writes together.

    Every method raises DatabaseUnavailable if the database does not respond. The watch, which
    alone measures time, ends slow requests and probes during an outage.
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
        """Why the database is unavailable, by its last requests; None if it is available."""
        return "it is closed" if self._ended else self._availability.reason

    @property
    def where(self) -> str:
        """Name of the database, for the operator."""
        return where(self._engine)

    @property
    def is_sqlite(self) -> bool:
        """Whether it is SQLite, which no other node shares."""
        return self._engine.dialect.name == "sqlite"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Migrate the tables, then serve reads and writes. Raises DatabaseFault."""
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
        """Return the result of `work`, which gets its own connection."""
        self._check()
        reading = self._readers.submit(self._connections.run, work)
        return await self._answer(asyncio.wrap_future(reading), lambda: True)

    async def write(self, work: Work[T]) -> T:
        """Return the result of `work` after its commit; DatabaseUnavailable means no commit.

        `work` may run several times, if another write of its batch fails or another node's write
        conflicts; one run is committed. A write that is cancelled before it begins does not run.
        The result of a begun write waits until its outcome is certain, also during an outage.
        """
        return await self.write_with_others(_one_by_one, work)

    async def write_with_others(self, work: WorkOnMany[Item, T], item: Item) -> T:
        """As `write`, with one call of `work` for the items of all waiting callers.

        `work` returns one result per item. The calls share statements, which are the main cost.
        Writes with the same `work` keep their order, but may overtake earlier writes with another
        `work`: a caller that needs an order awaits the first write before it makes the second.
        """
        self._check()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        write = Write(work, item, answer, loop)
        self._writer.put(write)
        return await self._answer(answer, write.withdraw)

    async def until_returned(self) -> None:
        """Wait for the end of an outage; at once if one has ended since the last call."""
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
            if self._availability.reason is None:  # only this request failed
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
        """Probe the causes that a probe can clear, one probe of a kind at a time."""
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
