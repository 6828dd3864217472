"""Database connections for threads; each use has a time limit, so that no thread hangs."""

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
"""Time limit of one use; afterwards the connection is cut. PostgreSQL itself ends a statement
earlier (`STATEMENT_S`), unless the server hangs."""
PROBE_S = 5.0
"""Time limit of a probe."""


class DatabaseAway(Exception):
    """The database is known to be unavailable, so the request was not sent."""


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
        """From now on, `cut` acts on this connection."""
        with self._lock:
            self._driver = connection.connection.dbapi_connection

    def release(self) -> None:
        """From now on, `cut` does nothing: the pool may lend the connection to another thread."""
        with self._lock:
            self._driver = None

    def cut(self) -> None:
        """Make the running statement fail."""
        with self._lock:
            self.is_cut = True
            if isinstance(self._driver, sqlite3.Connection):
                with suppress(sqlite3.Error):
                    self._driver.interrupt()
            elif self._driver is not None:
                # Only the waiting thread may close the connection; this ends its wait.
                with (
                    suppress(OSError, psycopg.Error),
                    socket.socket(fileno=os.dup(self._driver.fileno())) as line,
                ):
                    line.shutdown(socket.SHUT_RDWR)


class Connections:
    """Lends the engine's connections to threads and limits the time of each use.

    The owner must call `age` regularly. Uses raise DatabaseAway or SQLAlchemyError.
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
        """Call after the migration: from now on, the database must stay the same file."""
        self._file = DatabaseFile.of(self._engine.url)

    def run(self, work: Work[T]) -> T:
        """Return the result of `work`; rerun it once if the connection turns out to be lost."""
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
        """Run a small query; success clears the causes in `PROBED`."""
        with suppress(SQLAlchemyError, DatabaseAway):
            with self.use(limit_s=PROBE_S, probing=True) as (connection, _):
                connection.execute(sa.select(meta.c.value).where(meta.c.name == "schema")).first()
            for cause in PROBED:
                self._availability.back(cause)

    @contextmanager
    def use(
        self, *, limit_s: float | None = None, probing: bool = False
    ) -> Iterator[tuple[sa.Connection, Use]]:
        """A connection for a block of one thread; a probe gets it even during an outage."""
        use = Use(limit_s or self._cut_s)
        self._uses.add(use)
        try:
            with self._connect(probing=probing) as connection:
                use.hold(connection)
                try:
                    yield connection, use
                finally:
                    # Roll back here, where `cut` still works, and not in the pool.
                    with suppress(SQLAlchemyError):
                        connection.rollback()
                    use.release()
        finally:
            self._uses.discard(use)

    def age(self, seconds: float) -> None:
        """Add `seconds` to the age of each use; cut uses beyond their limit."""
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
