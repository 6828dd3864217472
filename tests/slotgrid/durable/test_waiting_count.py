"""The count of waiting durable tasks: an assumed one becomes exact once nothing changes."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from slotgrid.core.errors import DatabaseUnavailable
from slotgrid.core.fields import ANYWHERE, Place
from slotgrid.durable import waiting_count
from slotgrid.durable.waiting_count import Waiting, WaitingCount
from slotgrid.runtime.background import background
from tests.harness.waiting import until

SLOT = Place(worker="w1", pool="logins", slot=1)


class Record:
    """A record of three tasks that wait."""

    def __init__(self) -> None:
        self.queued, self.settled, self.reads = 3, True, 0
        self.for_slot = 0
        self.away = False
        self.answers = asyncio.Event()
        self.answers.set()
        self.count = WaitingCount(self.read, lambda: self.settled)

    async def read(self) -> Waiting:
        self.reads += 1
        found = Counter({ANYWHERE: self.queued - self.for_slot, SLOT: self.for_slot})
        await self.answers.wait()
        if self.away:
            raise DatabaseUnavailable("away", retry_after_s=1)
        return found


@pytest.fixture
async def record(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Record]:
    monkeypatch.setattr(waiting_count, "RECOUNT_S", 0.01)
    record = Record()
    async with background(record.count.run, name="count"):
        yield record


async def test_an_assumed_count_becomes_exact(record: Record) -> None:
    record.count.assume(Counter({ANYWHERE: 5}))
    assert record.count.value == 5
    await until(lambda: record.count.value == 3)


async def test_nothing_is_read_while_the_count_is_followed(record: Record) -> None:
    record.count.add(2)
    await asyncio.sleep(0.05)
    assert (record.count.value, record.reads) == (2, 0)


async def test_a_change_during_the_reading_is_not_lost(record: Record) -> None:
    record.answers.clear()
    record.count.assume(Counter({ANYWHERE: 3}))
    await until(lambda: record.reads == 1)
    record.count.add(1)  # the number that was read does not have it
    record.queued = 4
    record.answers.set()
    await until(lambda: record.reads == 2)
    await until(lambda: record.count.value == 4)


async def test_it_is_counted_once_the_record_is_settled_and_can_be_read(record: Record) -> None:
    record.settled, record.away = False, True
    record.count.assume(Counter({ANYWHERE: 5}))
    await asyncio.sleep(0.05)
    assert record.reads == 0
    record.settled = True
    await until(lambda: record.reads > 1)
    assert record.count.value == 5
    record.away = False
    await until(lambda: record.count.value == 3)


async def test_the_tasks_for_a_slot_are_counted_by_slot_too(record: Record) -> None:
    count = record.count
    count.add(1)
    for place in (SLOT, Place(pool="logins", slot=1), Place("w1", "logins", (("a", "b"),), 1)):
        count.add(1, place)
    count.add(1, Place("w1", "logins", slot=2))
    assert count.value == 5
    assert count.of_slot(SLOT) == 3
    assert count.of_slot(Place("w2", "logins", slot=1)) == 1  # the one that names no worker
    count.add(-1, SLOT)
    assert (count.value, count.of_slot(SLOT)) == (4, 2)
    record.for_slot = 2
    count.assume(Counter({ANYWHERE: 1, SLOT: 9}))
    assert (count.value, count.of_slot(SLOT)) == (10, 9)
    await until(lambda: (count.value, count.of_slot(SLOT)) == (3, 2))
