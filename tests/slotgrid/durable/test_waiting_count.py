"""The count of waiting durable tasks: an assumed one becomes exact once nothing changes."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from slotgrid.core.errors import DatabaseUnavailable
from slotgrid.durable import waiting_count
from slotgrid.durable.waiting_count import WaitingCount
from slotgrid.runtime.background import background
from tests.harness.waiting import until


class Record:
    """A record of three tasks that wait."""

    def __init__(self) -> None:
        self.queued, self.settled, self.reads = 3, True, 0
        self.away = False
        self.answers = asyncio.Event()
        self.answers.set()
        self.count = WaitingCount(self.read, lambda: self.settled)

    async def read(self) -> int:
        self.reads += 1
        found = self.queued
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
    record.count.assume(5)
    assert record.count.value == 5
    await until(lambda: record.count.value == 3)


async def test_nothing_is_read_while_the_count_is_followed(record: Record) -> None:
    record.count.add(2)
    await asyncio.sleep(0.05)
    assert (record.count.value, record.reads) == (2, 0)


async def test_a_change_during_the_reading_is_not_lost(record: Record) -> None:
    record.answers.clear()
    record.count.assume(3)
    await until(lambda: record.reads == 1)
    record.count.add(1)  # the number that was read does not have it
    record.queued = 4
    record.answers.set()
    await until(lambda: record.reads == 2)
    await until(lambda: record.count.value == 4)


async def test_it_is_counted_once_the_record_is_settled_and_can_be_read(record: Record) -> None:
    record.settled, record.away = False, True
    record.count.assume(5)
    await asyncio.sleep(0.05)
    assert record.reads == 0
    record.settled = True
    await until(lambda: record.reads > 1)
    assert record.count.value == 5
    record.away = False
    await until(lambda: record.count.value == 3)
