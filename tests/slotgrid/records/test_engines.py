"""Engines of the databases."""

from pathlib import Path

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
