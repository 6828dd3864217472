"""Engines of the databases."""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from slotgrid.records.engines import end, engine_of


def test_a_connection_in_use_at_the_end_is_closed_when_it_is_given_back(tmp_path: Path) -> None:
    engine = engine_of(None, tmp_path, pool=2)
    closed: list[object] = []
    sa.event.listen(engine, "close", lambda connection, _: closed.append(connection))
    with engine.connect() as idle:
        idle.exec_driver_sql("SELECT 1")
    with engine.connect() as used:
        with engine.connect() as other:
            other.exec_driver_sql("SELECT 1")
        end(engine)
        assert len(closed) == 1
        used.exec_driver_sql("SELECT 1")
    assert len(closed) == 2
    with engine.connect() as late:
        late.exec_driver_sql("SELECT 1")
    assert len(closed) == 3


def test_a_new_file_that_another_connection_writes_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite itself refuses the switch to WAL at once, without its busy timeout."""
    refused = threading.Event()
    monkeypatch.setattr("slotgrid.records.engines.time.sleep", lambda _: refused.set())
    file = tmp_path / "slotgrid.sqlite"
    with closing(sqlite3.connect(file, check_same_thread=False, isolation_level=None)) as other:
        other.execute("CREATE TABLE first (a)")
        other.execute("BEGIN IMMEDIATE")
        waiter = threading.Thread(target=lambda: refused.wait(5) and other.execute("COMMIT"))
        waiter.start()
        engine = engine_of(None, tmp_path, pool=1)
        with engine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        waiter.join()
        end(engine)
    assert refused.is_set()
