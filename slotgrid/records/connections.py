"""Connections in use by threads: each use is bounded, so that no thread hangs for ever."""

import os
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

import psycopg
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from slotgrid.records.availability import PROBED, Availability, Cause
from slotgrid.records.engines import DatabaseFile, FileGone, reason
from slotgrid.records.tables import meta

T = TypeVar("T")
Work = Callable[[sa.Connection], T]

CUT_S = 30.0
"""A use that takes longer is ended: its connection is cut. PostgreSQL ends a statement long before
by itself (`STATEMENT_S`), unless the server stands still."""
PROBE_S = 5.0
"""How long a probe may take."""


class DatabaseAway(Exception):
    """The database is known not to answer, so it was not asked."""


@dataclass(eq=False, slots=True)
class Use:
    """One use of a connection. `age_s` counts only seconds in which this process ran."""

    limit_s: float
    age_s: float = 0.0
    is_late: bool = False
    is_cut: bool = False
    _driver: Any = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def hold(self, connection: sa.Connection) -> None:
        """From here on it can be cut."""
        with self._lock:
            self._driver = connection.connection.dbapi_connection

    def release(self) -> None:
        """The connection goes back to the pool: it may be another thread's from here on."""
        with self._lock:
            self._driver = None

    def cut(self) -> None:
        """Make the statement that is under way fail."""
        with self._lock:
            self.is_cut = True
            if isinstance(self._driver, sqlite3.Connection):
                with suppress(sqlite3.Error):
                    self._driver.interrupt()
            elif self._driver is not None:
                # Closing belongs to the thread that waits; this only ends its wait.
                with (
                    suppress(OSError, psycopg.Error),
                    socket.socket(fileno=os.dup(self._driver.fileno())) as line,
                ):
                    line.shutdown(socket.SHUT_RDWR)


class Connections:
    """Lends connections of the engine to threads, and watches how long each is used.

    `age` must be called regularly. Work raises DatabaseAway or SQLAlchemyError.
    """

    def __init__(
        self, engine: sa.Engine, availability: Availability, *, answer_s: float, cut_s: float
    ) -> None:
        self._engine = engine
        self._availability = availability
        self._answer_s = answer_s
        self._cut_s = cut_s
        self._file: DatabaseFile | None = None
        self._uses: set[Use] = set()

    def opened(self) -> None:
        """The tables are there: from here on the database must stay the same file."""
        self._file = DatabaseFile.of(self._engine.url)

    def run(self, work: Work[T]) -> T:
        """What `work` returns; run once more if the connection had been cut while it was idle."""
        for again in (False, True):
            with self.use() as (connection, use):
                try:
                    return work(connection)
                except SQLAlchemyError as error:
                    lost = connection.invalidated
                    if lost and (again or use.is_cut):
                        self._availability.lost(Cause.CONNECTION, reason(error))
                    if again or use.is_cut or not lost:
                        raise
        raise AssertionError("the second run returns or raises")

    def probe(self) -> None:
        """Ask something small; an answer ends an outage of the connection."""
        with suppress(SQLAlchemyError, DatabaseAway):
            with self.use(limit_s=PROBE_S, probing=True) as (connection, _):
                connection.execute(sa.select(meta.c.value).where(meta.c.name == "schema")).first()
            for cause in PROBED:
                self._availability.back(cause)

    @contextmanager
    def use(
        self, *, limit_s: float | None = None, probing: bool = False
    ) -> Iterator[tuple[sa.Connection, Use]]:
        """A connection, for a block of one thread. Probing, it is asked for in any case."""
        use = Use(limit_s or self._cut_s)
        self._uses.add(use)
        try:
            with self._connect(probing=probing) as connection:
                use.hold(connection)
                try:
                    yield connection, use
                finally:
                    # Here, where it can be cut, and not on the way back to the pool.
                    with suppress(SQLAlchemyError):
                        connection.rollback()
                    use.release()
        finally:
            self._uses.discard(use)

    def age(self, seconds: float) -> None:
        """So much time has passed: cut what takes too long."""
        for use in list(self._uses):
            use.age_s += seconds
            if use.age_s >= self._answer_s and not use.is_late:
                use.is_late = True
                self._availability.lost(Cause.CONNECTION, f"no answer within {self._answer_s:g} s")
            if use.age_s >= use.limit_s:
                use.cut()

    def _connect(self, *, probing: bool) -> sa.Connection:
        refusing = self._availability.refusing
        if refusing is not None and not probing:
            raise DatabaseAway(refusing)
        try:
            if self._file is not None:
                self._file.check()
            return self._engine.connect()
        except FileGone as gone:
            self._availability.lost(Cause.FILE, str(gone))
            raise DatabaseAway(str(gone)) from gone
        except SQLAlchemyError as error:
            self._availability.lost(Cause.CONNECTION, reason(error))
            raise
