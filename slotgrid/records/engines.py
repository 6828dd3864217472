"""Engines for SQLite and PostgreSQL, and the classification of their errors."""

import shutil
import sqlite3
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg.types.string import StrDumper
from sqlalchemy.exc import (
    ArgumentError,
    DatabaseError,
    DBAPIError,
    InterfaceError,
    InternalError,
    OperationalError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout

BUSY_S = 8.0
"""How long SQLite waits for another process's lock. Less than a caller waits, so that the caller
gets a certain answer: nothing was written."""
CONNECT_S = 5
STATEMENT_S = 10
"""Time limit of a statement in PostgreSQL, and of TCP for data without an acknowledgement."""
LOCK_S = 5

LITTLE_ROOM = 1024 * 1024
"""Free bytes below which a disk counts as full; a start needs about a fifth of that."""

FORESTALLED = {"40P01", "40001"}
"""SQLSTATE of a deadlock and of a serialization failure: a retry can succeed."""


class DatabaseFault(Exception):
    """The database cannot be used at the start; the message names it and the reason."""


class FileGone(Exception):
    """The file of a SQLite database was removed or replaced while it was in use."""


@dataclass(frozen=True, slots=True)
class DatabaseFile:
    """The file that SQLite opened. If it is removed, open connections write into the deleted file,
    and new connections create an empty file in its place.
    """

    path: Path
    device: int
    inode: int

    @classmethod
    def of(cls, url: sa.URL) -> "DatabaseFile | None":
        """The file as it is now; None for a database without a file."""
        if url.get_backend_name() != "sqlite" or not url.database:
            return None
        path = Path(url.database)
        found = path.stat()
        return cls(path, found.st_dev, found.st_ino)

    def check(self) -> None:
        """Raises FileGone if the file was removed or replaced."""
        try:
            found = self.path.stat()
        except OSError:
            found = None
        if found is None or (found.st_dev, found.st_ino) != (self.device, self.inode):
            raise FileGone(
                f"{self.path} was removed or replaced while the node runs:"
                " put the folder back, or restart the node, which then begins without its records"
            )


def engine_of(url: str | None, data_dir: Path, *, pool: int) -> sa.Engine:
    """An engine for `DATABASE_URL`, or for the SQLite file of `data_dir`. Raises DatabaseFault."""
    if url is None:
        engine = sa.create_engine(
            sa.URL.create("sqlite", database=str(data_dir / "slotgrid.sqlite")),
            pool_size=pool,
            max_overflow=0,
            pool_timeout=BUSY_S,
            connect_args={"timeout": BUSY_S, "check_same_thread": False},
        )
        sa.event.listen(engine, "connect", _set_up_sqlite)
        return engine
    parsed = _postgresql(url)
    engine = sa.create_engine(
        parsed,
        pool_size=pool,
        max_overflow=0,
        pool_timeout=CONNECT_S,
        connect_args=_parameters(parsed),
    )
    sa.event.listen(engine, "connect", _set_up_postgresql)
    if timeouts := _timeouts(parsed):
        sa.event.listen(engine, "begin", lambda c: c.exec_driver_sql(timeouts))
    return engine


def end(engine: sa.Engine) -> None:
    """Close every connection; a connection in use closes when its user returns it.

    Otherwise the disposed pool would keep it open until a garbage collection.
    """
    sa.event.listen(engine, "checkin", lambda _, entry: entry.invalidate())
    engine.dispose()


def reason(error: BaseException) -> str:
    """The database's error message, in one line."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    lines = str(cause).strip().splitlines()
    return lines[0] if lines else type(cause).__name__


def where(engine: sa.Engine) -> str:
    """Name of the database for the operator; for SQLite also whether its disk is full."""
    shown = f"the database {engine.url.render_as_string(hide_password=True)}"
    if engine.dialect.name == "sqlite" and engine.url.database:
        with suppress(OSError):  # for some files, SQLite reports only "disk I/O error"
            free = shutil.disk_usage(Path(engine.url.database).parent).free
            if free < LITTLE_ROOM:
                shown += f" (its disk is full: {free // 1024} KiB are free)"
    return shown


def is_away(error: BaseException) -> bool:
    """Whether the error is the database's fault and not the request's.

    Unreachable, locked for too long, full, read-only, broken: callers treat all alike.
    """
    if isinstance(error, OperationalError):
        return not is_forestalled(error)
    return isinstance(error, InterfaceError | InternalError | PoolTimeout) or (
        type(error) is DatabaseError
    )


def is_forestalled(error: BaseException) -> bool:
    """Whether another node's write conflicted, so that a retry finds a new state."""
    if isinstance(error, sa.exc.IntegrityError):
        return True
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", "") in FORESTALLED


def _postgresql(url: str) -> sa.URL:
    try:
        parsed = sa.make_url(url)
    except ArgumentError as cause:
        raise DatabaseFault("DATABASE_URL is not a URL of a database") from cause
    if parsed.drivername not in {"postgres", "postgresql", "postgresql+psycopg"}:
        raise DatabaseFault(
            f"DATABASE_URL begins with {parsed.drivername}://, expected postgresql://"
        )
    return parsed.set(drivername="postgresql+psycopg")


def _parameters(url: sa.URL) -> dict[str, Any]:
    """Connect parameters that a pooler accepts.

    All but the name are libpq's own, as a pooler refuses unknown start-up options. Prepared
    statements are off, as they exist on only one of the pooler's connections.
    """
    bounds: dict[str, Any] = {
        "application_name": "slotgrid",
        "connect_timeout": CONNECT_S,
        "keepalives_idle": STATEMENT_S,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "tcp_user_timeout": STATEMENT_S * 1000,
    }
    own = {name: value for name, value in bounds.items() if name not in url.query}
    return own | {"prepare_threshold": None}


def _timeouts(url: sa.URL) -> str:
    """A statement that sets time limits for one transaction, against a server that hangs.

    With a pooler, session settings would leak to the connection's next client. Limits that the
    URL sets in `options` stay.
    """
    limits = {
        "statement_timeout": f"{STATEMENT_S}s",
        "lock_timeout": f"{LOCK_S}s",
        "idle_in_transaction_session_timeout": f"{STATEMENT_S}s",  # for a suspended node
    }
    options = str(url.query.get("options", ""))
    own = [
        f"set_config('{name}', '{value}', true)"  # as SET LOCAL, but one statement for all
        for name, value in limits.items()
        if name not in options
    ]
    return f"SELECT {', '.join(own)}" if own else ""


def _set_up_sqlite(connection: sqlite3.Connection, _: object) -> None:
    _use_wal(connection)
    # NORMAL: commits survive a crash of any process; a power cut may lose the last ones.
    connection.execute("PRAGMA synchronous=NORMAL")


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch to WAL. Where two connections switch a new file at once, SQLite refuses one of them
    without a wait, whatever its `timeout` is.
    """
    deadline = time.monotonic() + BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


class _TextDumper(StrDumper):
    """Replaces NUL, which PostgreSQL refuses and an error's text or a filter may contain."""

    def dump(self, obj: str) -> Any:
        return super().dump(obj.replace("\0", "\N{REPLACEMENT CHARACTER}"))


def _set_up_postgresql(connection: psycopg.Connection[Any], _: object) -> None:
    connection.adapters.register_dumper(str, _TextDumper)
