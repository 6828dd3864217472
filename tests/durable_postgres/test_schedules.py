"""Schedules on PostgreSQL: what two nodes that read the same firing do, and odd characters."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import pytest

from slotgrid.records.database import POOL, Database
from slotgrid.records.engines import engine_of
from slotgrid.records.store import due, schedule_firings, schedules
from slotgrid.records.store.due import DueKind
from slotgrid.records.store.schedule_firings import LOST, Firing, FiringOutcome
from slotgrid.records.store.schedules import API, Definition

NODES = ("a", "b")
COUNT = 60


@pytest.fixture
async def databases(tmp_path: object, database_url: str) -> AsyncIterator[list[Database]]:
    """The database, as two nodes have it."""
    del tmp_path
    one, other = (Database(engine_of(database_url, None, pool=POOL)) for _ in NODES)  # type: ignore[arg-type]
    async with one.running(), other.running():
        yield [one, other]


def made(name: str, body: str = '{"cron": "* * * * * *"}') -> Definition:
    return Definition(
        name=name,
        owner="root",
        origin=API,
        body=body,
        enabled=True,
        next_after=lambda now: now - 1.0,
    )


async def test_of_two_nodes_that_read_a_firing_one_does_it(databases: list[Database]) -> None:
    names = [f"s{n}" for n in range(COUNT)]
    for name in names:
        assert await databases[0].write(partial(schedules.create, new=made(name)))
    read = partial(due.due_now, kind=DueKind.SCHEDULE, node="a", limit=COUNT)
    firings = []
    for claim in await databases[0].read(read):
        stored = await databases[0].read(partial(schedules.get, name=claim.ref))
        assert stored is not None
        firings.append(
            Firing(
                name=claim.ref,
                changed_at=stored.changed_at,
                claimed_at=claim.until,
                next_at=claim.until + 3600.0,
                due_at=claim.until,
                outcome=FiringOutcome.SKIPPED,
                reason="a test",
            )
        )
    assert len(firings) == COUNT
    # Each node in another order: the locks must not wait for each other.
    orders = (firings, firings[::-1])
    writes = [
        database.write_with_others(schedule_firings.fire, firing)
        for database, order in zip(databases, orders, strict=True)
        for firing in order
    ]
    fired = await asyncio.gather(*writes)
    assert sum(one is not LOST and not one.lost for one in fired) == COUNT
    runs = await databases[1].read(partial(schedules.runs, names=names, limit=5))
    assert {len(of_one) for of_one in runs.values()} == {1}
    assert await databases[0].read(read) == []


async def test_schedules_are_counted_whatever_their_texts_are(databases: list[Database]) -> None:
    for name, body in (
        ("a", r'{"metadata": {"x": "\u0000"}, "group": "shop"}'),
        ("b", r'{"group": "shop"}'),
        ("c", r"{}"),
    ):
        await databases[0].write(partial(schedules.create, new=made(name, body)))
    counts = await databases[1].read(schedules.count_by_group)
    assert counts == {"shop": 2, None: 1}
