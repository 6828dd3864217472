"""The database under durable work, on PostgreSQL: races, outages, versions."""

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from slotgrid.core.errors import DatabaseUnavailable
from slotgrid.records.database import POOL, READERS, Database
from slotgrid.records.engines import DatabaseFault, engine_of
from slotgrid.records.tables import SCHEMA_VERSION, meta, tasks
from tests.harness.processes.postgres import Postgres

FIXTURES = Path(__file__).parents[1] / "durable" / "fixtures"
AT_ONCE_S = 3.0
"""Far below every time limit of ours, far above what a busy machine needs."""


def note(name: str, value: str = "x") -> Callable[[sa.Connection], None]:
    def work(connection: sa.Connection) -> None:
        connection.execute(meta.insert().values(name=name, value=value))

    return work


def names(connection: sa.Connection) -> set[str]:
    """Those that a test wrote: the version and the marks of commits are the database's own."""
    found = {row.name for row in connection.execute(sa.select(meta.c.name))} - {"schema"}
    return {name for name in found if not name.startswith("commit:")}


def opened(url: str, **bounds: float) -> Database:
    return Database(engine_of(url, Path(), pool=POOL), **bounds)


async def test_writes_that_wait_together_are_each_answered(database_url: str) -> None:
    database = opened(database_url)
    async with database.running():
        await asyncio.gather(*(database.write(note(f"n{n}")) for n in range(300)))
        assert await database.read(names) == {f"n{n}" for n in range(300)}


async def test_a_write_that_fails_spoils_none_of_its_neighbours(database_url: str) -> None:
    def wrong(connection: sa.Connection) -> None:
        connection.execute(sa.text("SELECT no_such_column"))

    database = opened(database_url)
    async with database.running():
        works = [note("a"), wrong, note("b")]
        answers = await asyncio.gather(*map(database.write, works), return_exceptions=True)
        assert [type(answer).__name__ for answer in answers] == [
            "NoneType",
            "ProgrammingError",
            "NoneType",
        ]
        assert await database.read(names) == {"a", "b"}


async def test_of_two_nodes_that_take_a_name_at_once_the_second_sees_the_first(
    database_url: str,
) -> None:
    def take(value: str) -> Callable[[sa.Connection], str]:
        def work(connection: sa.Connection) -> str:
            query = sa.select(meta.c.value).where(meta.c.name == "taken")
            row = connection.execute(query).first()
            if row is not None:
                return str(row.value)
            # Both are here before either goes on: the race, without a guess.
            gate.wait(5)
            note("taken", value)(connection)
            return value

        return work

    gate = threading.Barrier(2)
    one, two = opened(database_url), opened(database_url)
    async with one.running(), two.running():
        answers = await asyncio.gather(one.write(take("one")), two.write(take("two")))
    assert len(set(answers)) == 1


async def test_two_nodes_may_start_on_an_empty_database_at_once(database_url: str) -> None:
    databases = [opened(database_url) for _ in range(4)]

    async def start(database: Database) -> None:
        async with database.running():
            await database.read(names)

    await asyncio.gather(*map(start, databases))


async def test_an_outage_is_told_at_once_and_over_as_soon_as_the_server_is_back(
    own_server: Postgres,
) -> None:
    database = opened(own_server.create_database())
    async with database.running():
        await database.write(note("before"))
        own_server.kill()
        began = time.monotonic()
        for _ in range(5):
            with pytest.raises(DatabaseUnavailable):
                await database.write(note("lost"))
            with pytest.raises(DatabaseUnavailable):
                await database.read(names)
        assert time.monotonic() - began < AT_ONCE_S
        own_server.start()
        await _until_it_takes(database, note("after"))
        assert await database.read(names) == {"before", "after"}


async def test_a_server_that_was_restarted_between_two_writes_is_not_noticed(
    own_server: Postgres,
) -> None:
    database = opened(own_server.create_database())
    async with database.running():
        await database.write(note("before"))
        await asyncio.gather(*(database.read(names) for _ in range(8)))
        own_server.stop()
        own_server.start()
        await database.write(note("after"))
        assert await database.read(names) == {"before", "after"}


async def test_a_server_that_answers_nothing_holds_nobody_up_for_long(
    own_server: Postgres,
) -> None:
    database = opened(own_server.create_database(), answer_s=0.5, tick_s=0.1)
    async with database.running():
        await database.write(note("before"))
        with own_server.frozen():
            silent = asyncio.create_task(database.write(note("silent")))
            while database.unavailable is None:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            began = time.monotonic()
            for _ in range(10):  # while that one has no answer, no other is tried
                with pytest.raises(DatabaseUnavailable):
                    await database.write(note("lost"))
                with pytest.raises(DatabaseUnavailable):
                    await database.read(names)
            assert time.monotonic() - began < AT_ONCE_S
        await _until_it_takes(database, note("after"))
        await silent  # it had begun, so it is waited for until its outcome is certain
        assert await database.read(names) == {"before", "silent", "after"}
        assert database.unavailable is None


async def test_a_server_that_answers_nothing_for_ever_is_cut_off(own_server: Postgres) -> None:
    database = opened(own_server.create_database(), answer_s=0.5, cut_s=1.0, tick_s=0.1)
    async with database.running():
        await database.write(note("before"))
        with own_server.frozen():
            silent = asyncio.create_task(database.write(note("silent")))
            reads = [asyncio.create_task(database.read(names)) for _ in range(READERS)]
            found = await asyncio.gather(*reads, return_exceptions=True)
            assert {type(error) for error in found} == {DatabaseUnavailable}
            while database._connections._uses:  # noqa: ASYNC110  every thread is free again
                await asyncio.sleep(0.02)
        await _until_it_takes(database, note("after"))
        try:
            await silent
        except DatabaseUnavailable:
            expected = {"before", "after"}
        else:
            expected = {"before", "silent", "after"}
        assert await database.read(names) == expected


async def test_reads_behind_slow_ones_are_withdrawn_and_nothing_is_refused_afterwards(
    database_url: str,
) -> None:
    def slow(connection: sa.Connection) -> None:
        connection.execute(sa.text("SELECT pg_sleep(2)"))

    database = opened(database_url, answer_s=0.5, tick_s=0.1)
    async with database.running():
        reads = [database.read(slow) for _ in range(READERS + 2)]
        found = await asyncio.gather(*reads, return_exceptions=True)
        assert {type(error) for error in found} == {DatabaseUnavailable}
        while database._connections._uses:  # noqa: ASYNC110  the slow ones end
            await asyncio.sleep(0.02)
        await _until_it_takes(database, note("after"))
        assert await database.read(names) == {"after"}
        assert database.unavailable is None


async def test_a_write_that_was_withdrawn_in_time_is_not_made(database_url: str) -> None:
    gate = threading.Event()

    def slow(connection: sa.Connection) -> None:
        note("slow")(connection)
        gate.wait(30)

    database = opened(database_url, answer_s=0.5, tick_s=0.1)
    async with database.running():
        first = asyncio.create_task(database.write(slow))
        await asyncio.sleep(0.1)  # the writer has taken it
        with pytest.raises(DatabaseUnavailable):
            await database.write(note("behind"))
        gate.set()
        await first
        await _until_it_takes(database, note("after"))
        assert await database.read(names) == {"slow", "after"}


async def test_a_lock_that_is_held_by_another_is_not_waited_for_without_end(
    database_url: str,
) -> None:
    database = opened(database_url)
    other = engine_of(database_url, Path(), pool=1)
    async with database.running():
        with other.begin() as connection:
            connection.execute(sa.text("LOCK TABLE slotgrid_meta IN ACCESS EXCLUSIVE MODE"))
            with pytest.raises(DatabaseUnavailable):
                await database.write(note("late"))
        await database.write(note("after"))
    other.dispose()


async def test_what_is_asked_after_the_end_is_answered(database_url: str) -> None:
    database = opened(database_url)
    async with database.running():
        await database.write(note("a"))
    with pytest.raises(DatabaseUnavailable):
        await database.write(note("b"))
    with pytest.raises(DatabaseUnavailable):
        await database.read(names)


async def test_tables_of_a_newer_program_are_refused_and_left_alone(database_url: str) -> None:
    database = opened(database_url)
    newer = str(SCHEMA_VERSION + 1)
    async with database.running():
        await database.write(lambda c: c.execute(meta.update().values(value=newer)) and None)
    with pytest.raises(DatabaseFault, match=f"have version {newer}, this program supports"):
        async with opened(database_url).running():
            pass
    engine = engine_of(database_url, Path(), pool=1)
    with engine.connect() as connection:
        assert connection.execute(sa.select(meta.c.value)).scalar() == newer
    engine.dispose()


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("postgresql://postgres@127.0.0.1:1/none", "refused"),
        ("mysql://somewhere/base", "expected postgresql://"),
        ("no url", "is not a URL"),
    ],
)
async def test_a_database_that_cannot_be_used_is_a_fault_that_says_why(url: str, why: str) -> None:
    with pytest.raises(DatabaseFault, match=why):
        async with opened(url).running():
            pass


async def test_a_password_is_in_no_fault() -> None:
    with pytest.raises(DatabaseFault) as told:
        async with opened("postgresql://me:s3cret@127.0.0.1:1/none").running():
            pass
    assert "s3cret" not in str(told.value)


async def _until_it_takes(database: Database, work: Callable[[sa.Connection], None]) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                await database.write(work)
            except DatabaseUnavailable:
                await asyncio.sleep(0.05)  # nothing tells of the return but another try
            else:
                return


async def test_tables_of_the_first_version_are_brought_up(database_url: str) -> None:
    earlier = sa.create_engine(f"sqlite:///{FIXTURES / 'v1.sqlite'}")
    found = sa.MetaData()
    found.reflect(earlier, only=lambda name, _: name.startswith("slotgrid_"))
    engine = engine_of(database_url, Path(), pool=1)
    with earlier.connect() as source, engine.begin() as target:
        found.create_all(target)
        for table in found.sorted_tables:
            rows = [dict(row._mapping) for row in source.execute(sa.select(table))]
            if rows:
                target.execute(table.insert(), rows)
    earlier.dispose()
    engine.dispose()
    database = opened(database_url)
    async with database.running():
        row = await database.read(lambda c: c.execute(sa.select(tasks)).one())
        assert (row.function, row.status, row.size) == ("note", "completed", 0)
        version = await database.read(
            lambda c: c.execute(sa.select(meta.c.value).where(meta.c.name == "schema")).scalar()
        )
        assert version == str(SCHEMA_VERSION)
        there = await database.read(
            lambda c: {index["name"] for index in sa.inspect(c).get_indexes(tasks.name)}
        )
        assert {index.name for index in tasks.indexes} <= there
