"""The database behind durable work: SQLite by default, PostgreSQL where several nodes share it."""

import asyncio
import queue
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import SQLAlchemyError

from slotgrid.core.errors import DatabaseUnavailable
from slotgrid.records.engines import BUSY_S, DatabaseFault, end, is_away, is_forestalled, reason
from slotgrid.records.migrations import migrate

log = structlog.get_logger()

T = TypeVar("T")
Item = TypeVar("Item")
Work = Callable[[sa.Connection], T]
WorkOnMany = Callable[[sa.Connection, Sequence[Item]], Sequence[T]]

BATCH = 256
"""Writes that share one commit at most: the commit is what costs, not the statement."""
READERS = 4
POOL = READERS + 1
"""Connections that it uses at most."""
ANSWER_S = 12.0
"""After this, who waits is told that the database is away, whatever holds the statement up; and
everyone else at once, until that statement has ended."""
REST_S = 1.0
"""After a connection that failed, nobody tries another one for so long: the answer is at once."""
TRIES = 3
"""Of a write that another node forestalls."""


class _Away(Exception):
    """No connection could be made a moment ago."""


@dataclass(slots=True)
class _Write:
    work: WorkOnMany[Any, Any]
    item: Any
    answer: "asyncio.Future[Any]"
    loop: asyncio.AbstractEventLoop


class Database:
    """Reads in a few threads; writes in one, which commits what waits together.

    Every method raises DatabaseUnavailable when the database does not answer.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._writes: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="db-read")
        self._rest_until = 0.0
        self._silent: set[object] = set()  # what has had no answer in time, and still has none
        self._ended = True
        self._away = False  # whether the last connection asked for could not be had

    @property
    def available(self) -> bool:
        """Whether it answered when it was asked last; nothing is asked now."""
        return not (self._ended or self._away or self._silent)

    @property
    def is_sqlite(self) -> bool:
        """Whether only this machine can use it."""
        return self._engine.dialect.name == "sqlite"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Bring the tables up to date and keep the writer. Raises DatabaseFault."""
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._readers, migrate, self._engine)
        except SQLAlchemyError as cause:
            self._close()
            where = self._engine.url.render_as_string(hide_password=True)
            raise DatabaseFault(f"the database {where} cannot be used: {reason(cause)}") from cause
        except DatabaseFault:
            self._close()
            raise
        writer = threading.Thread(target=self._write_loop, name="db-write", daemon=True)
        writer.start()
        self._ended = False
        try:
            yield
        finally:
            self._ended = True
            self._writes.put(None)
            with ThreadPoolExecutor(1, thread_name_prefix="db-end") as own:
                await loop.run_in_executor(own, writer.join, BUSY_S)
            self._close()

    def _close(self) -> None:
        self._readers.shutdown(wait=False, cancel_futures=True)
        end(self._engine)

    async def read(self, work: Work[T]) -> T:
        """What `work` returns, on a connection of its own."""
        self._check()
        reading = self._readers.submit(self._on_connection, work)
        reading.add_done_callback(self._silent.discard)
        return await self._answered(asyncio.wrap_future(reading), reading)

    async def write(self, work: Work[T]) -> T:
        """What `work` returns, once it is committed.

        It may be run more than once, when a neighbour fails or another node is faster; what is
        committed is one run. Who stops waiting before it begins has it left out.
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
        self._writes.put(_Write(work, item, answer, loop))
        return await self._answered(answer, self._writes)

    def _check(self) -> None:
        if self._ended:
            raise _unavailable("it is closed")
        if self._silent:
            raise _unavailable("what it was asked before has no answer yet")

    async def _answered(self, answer: "asyncio.Future[T]", asked: object) -> T:
        scope = asyncio.timeout(ANSWER_S)
        try:
            async with scope:
                return await answer
        except TimeoutError as cause:
            if not scope.expired():
                raise
            self._silent.add(asked)
            raise _unavailable(f"no answer within {ANSWER_S:g} s") from cause
        except _Away as cause:
            raise _unavailable(str(cause)) from cause
        except SQLAlchemyError as cause:
            if not is_away(cause):
                raise
            raise _unavailable(reason(cause)) from cause

    # In the threads

    def _write_loop(self) -> None:
        while (first := self._writes.get()) is not None:
            batch, ended = [first], False
            while len(batch) < BATCH and not self._writes.empty():
                item = self._writes.get()
                if item is None:
                    ended = True
                    break
                batch.append(item)
            self._commit([write for write in batch if not write.answer.cancelled()])
            self._silent.discard(self._writes)
            if ended:
                return

    def _commit(self, batch: list[_Write], tries: int = 1) -> None:
        if not batch:
            return

        def together(connection: sa.Connection) -> list[Any]:
            kinds: dict[WorkOnMany[Any, Any], list[int]] = {}
            for number, write in enumerate(batch):
                kinds.setdefault(write.work, []).append(number)
            results: list[Any] = [None] * len(batch)
            for work, numbers in kinds.items():
                answers = work(connection, [batch[number].item for number in numbers])
                for number, answer in zip(numbers, answers, strict=True):
                    results[number] = answer
            return results

        try:
            results = self._on_connection(together, commit=True)
        except Exception as error:
            if is_away(error) or isinstance(error, _Away):
                _answer(batch, [error] * len(batch))
            elif len(batch) > 1:  # one of them spoilt it for all: each for itself, then
                for write in batch:
                    self._commit([write])
            elif is_forestalled(error) and tries < TRIES:
                self._commit(batch, tries + 1)
            else:
                _answer(batch, [error])
        else:
            _answer(batch, results)

    def _on_connection(self, work: Work[T], *, commit: bool = False) -> T:
        """Run `work`; once more if the connection turns out to be one that was cut long ago."""
        for fresh in (False, True):
            with self._connect() as connection:
                try:
                    result = work(connection)
                except SQLAlchemyError:
                    if fresh or not connection.invalidated:
                        raise
                    continue
                if commit:  # never tried again: its outcome would not be known
                    connection.commit()
                return result
        raise AssertionError("the second try returns or raises")

    def _connect(self) -> sa.Connection:
        if time.monotonic() < self._rest_until:
            raise _Away("a connection failed a moment ago")
        try:
            connection = self._engine.connect()
        except SQLAlchemyError:
            self._away = True
            self._rest_until = time.monotonic() + REST_S
            raise
        self._away = False
        return connection


def _one_by_one(connection: sa.Connection, works: Sequence[Work[Any]]) -> list[Any]:
    return [work(connection) for work in works]


def _answer(batch: list[_Write], results: list[Any]) -> None:
    """Hand the results over in one call to the loop."""

    def settle() -> None:
        for write, result in zip(batch, results, strict=True):
            if write.answer.done():
                continue
            if isinstance(result, BaseException):
                write.answer.set_exception(result)
            else:
                write.answer.set_result(result)

    try:
        batch[0].loop.call_soon_threadsafe(settle)
    except RuntimeError:
        log.warning("database.answer_lost", writes=len(batch))  # the loop has closed


def _unavailable(why: str) -> DatabaseUnavailable:
    log.error("database.unavailable", reason=why)
    return DatabaseUnavailable(
        "the database does not answer; nothing was accepted", retry_after_s=5
    )
