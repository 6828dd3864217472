"""The database behind durable work: SQLite by default, PostgreSQL where several nodes share it."""

import asyncio
import queue
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError

from slotgrid.core.errors import DatabaseUnavailable
from slotgrid.records.tables import SCHEMA_VERSION, meta, metadata

log = structlog.get_logger()

T = TypeVar("T")
Work = Callable[[sa.Connection], T]

BATCH = 256
"""Writes that share one commit at most: the commit is what costs, not the statement."""
READERS = 4
BUSY_S = 15.0
CONNECT_S = 5.0


class DatabaseFault(Exception):
    """The database cannot be used at start; the message says which one and why."""


@dataclass(slots=True)
class _Write:
    work: Work[Any]
    answer: "asyncio.Future[Any]"
    loop: asyncio.AbstractEventLoop


def engine_of(url: str | None, data_dir: Path, *, pool: int) -> sa.Engine:
    """An engine for `DATABASE_URL`, or for the SQLite file of `data_dir`."""
    if url is None:
        path = data_dir / "slotgrid.sqlite"
        engine = sa.create_engine(
            f"sqlite:///{path}",
            pool_size=pool,
            max_overflow=0,
            connect_args={"timeout": BUSY_S, "check_same_thread": False},
        )
        sa.event.listen(engine, "connect", _set_up_sqlite)
        return engine
    return sa.create_engine(
        _with_driver(url),
        pool_size=pool,
        max_overflow=0,
        pool_pre_ping=True,
        connect_args={"connect_timeout": int(CONNECT_S)},
    )


def _with_driver(url: str) -> sa.URL:
    parsed = sa.make_url(url)
    if parsed.drivername in {"postgres", "postgresql"}:
        return parsed.set(drivername="postgresql+psycopg")
    return parsed


def _set_up_sqlite(connection: Any, _: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    # NORMAL survives the death of any process; only a power cut may take the last commits.
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()


class Database:
    """Reads in a few threads; writes in one, which commits what waits together.

    Every method raises DatabaseUnavailable when the database does not answer.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._writes: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="db-read")

    @property
    def is_sqlite(self) -> bool:
        """Whether only this machine can use it."""
        return self._engine.dialect.name == "sqlite"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Make the tables and keep the writer. Raises DatabaseFault."""
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._readers, self._migrate)
        except SQLAlchemyError as cause:
            where = self._engine.url.render_as_string(hide_password=True)
            reason = str(cause.__cause__ or cause).strip().splitlines()[0]
            raise DatabaseFault(f"the database {where} cannot be used: {reason}") from cause
        writer = threading.Thread(target=self._write_loop, name="db-write", daemon=True)
        writer.start()
        try:
            yield
        finally:
            self._writes.put(None)
            await loop.run_in_executor(None, writer.join, BUSY_S)
            self._readers.shutdown(wait=False, cancel_futures=True)
            self._engine.dispose()

    async def read(self, work: Work[T]) -> T:
        """What `work` returns, on a connection of its own."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._readers, self._read, work)
        except DBAPIError as cause:
            raise _unavailable(cause) from cause

    async def write(self, work: Work[T]) -> T:
        """What `work` returns, once it is committed; it may be run twice if a neighbour fails."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        self._writes.put(_Write(work, answer, loop))
        try:
            return await answer
        except OperationalError as cause:
            raise _unavailable(cause) from cause

    def _read(self, work: Work[T]) -> T:
        with self._engine.connect() as connection:
            return work(connection)

    def _migrate(self) -> None:
        with self._engine.begin() as connection:
            if self._engine.dialect.name == "postgresql":
                # Two nodes that start at once must not both create the tables.
                connection.execute(sa.text("SELECT pg_advisory_xact_lock(7461)"))
            metadata.create_all(connection)
            row = connection.execute(sa.select(meta.c.value).where(meta.c.name == "schema")).first()
            if row is None:
                connection.execute(meta.insert().values(name="schema", value=str(SCHEMA_VERSION)))
            elif int(row.value) > SCHEMA_VERSION:
                raise sa.exc.InvalidRequestError(
                    f"its tables are of version {row.value}, this program knows {SCHEMA_VERSION}"
                )

    def _write_loop(self) -> None:
        while (first := self._writes.get()) is not None:
            batch, ended = [first], False
            while len(batch) < BATCH and not self._writes.empty():
                item = self._writes.get()
                if item is None:
                    ended = True
                    break
                batch.append(item)
            self._commit(batch)
            if ended:
                return

    def _commit(self, batch: list[_Write]) -> None:
        try:
            results = self._together(batch)
        except Exception as error:
            if len(batch) == 1:
                _answer(batch, [error])
            else:  # one of them spoilt it for all: each for itself, then
                for write in batch:
                    self._commit([write])
        else:
            _answer(batch, results)

    def _together(self, batch: list[_Write]) -> list[Any]:
        with self._engine.begin() as connection:
            return [write.work(connection) for write in batch]


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


def _unavailable(cause: Exception) -> DatabaseUnavailable:
    log.error("database.unavailable", reason=str(cause).splitlines()[0])
    return DatabaseUnavailable(
        "the database does not answer; nothing was accepted", retry_after_s=5
    )
