import asyncio
from dataclasses import dataclass
from enum import Enum
from typing import Any

import orjson
import pytest

from slotgrid.core.event_log import (
    BYTES_LIMIT,
    EVENTS_LIMIT,
    READER_LAG_BYTES,
    READER_LAG_EVENTS,
    Event,
    EventLog,
    NotJson,
    Reader,
    encode_json,
)
from tests.slotgrid.core.fakes import until


def ids(events: list[Event]) -> list[int]:
    return [event.id for event in events]


def fill(log: EventLog, count: int, payload: Any = "said") -> None:
    for _ in range(count):
        log.append("chunk", payload)


async def all_of(reader: Reader) -> list[Event]:
    async with reader:
        return [event async for event in reader]


def test_the_oldest_events_go_when_there_are_too_many() -> None:
    log = EventLog()
    fill(log, EVENTS_LIMIT + 5)
    assert ids(log.after(0)) == list(range(6, EVENTS_LIMIT + 6))
    assert log.missing_after(0) == 5
    assert log.missing_after(3) == 2
    assert log.missing_after(5) == 0
    assert log.missing_after(500) == 0


def test_the_oldest_events_go_when_they_are_too_large_and_the_newest_always_stays() -> None:
    log = EventLog(bytes_limit=100)
    fill(log, 3, "x" * 38)  # 40 bytes each
    assert ids(log.after(0)) == [2, 3]
    assert log.size == 80
    log.append("done", "x" * 1000)
    assert ids(log.after(0)) == [4]
    assert log.last.terminal
    log.append("chunk", "x")
    assert ids(log.after(0)) == [5]
    assert log.size == 3


def test_the_default_bounds_hold_a_gigabyte_of_talk() -> None:
    log = EventLog()
    fill(log, 20, "x" * (BYTES_LIMIT // 8))
    assert log.size <= BYTES_LIMIT


def test_an_empty_log_has_nothing_and_misses_nothing() -> None:
    log = EventLog()
    assert log.after(0) == []
    assert log.missing_after(0) == 0
    with pytest.raises(IndexError):
        _ = log.last


@pytest.mark.parametrize(
    ("after", "newer"), [(0, [4, 5, 6, 7, 8]), (5, [6, 7, 8]), (7, [8]), (8, []), (99, [])]
)
def test_what_is_newer_is_what_is_kept_of_it(after: int, newer: list[int]) -> None:
    log = EventLog(limit=5)
    fill(log, 8)
    assert ids(log.after(after)) == newer


async def test_several_readers_each_get_everything_in_order() -> None:
    log = EventLog()
    readers = [asyncio.create_task(all_of(Reader(log))) for _ in range(3)]
    fill(log, 2)
    await asyncio.sleep(0)
    log.append("done", None)
    log.close()
    for reader in readers:
        assert [event.kind for event in await reader] == ["chunk", "chunk", "done"]


async def test_a_reader_resumes_after_the_id_that_it_saw_last() -> None:
    log = EventLog()
    fill(log, 4)
    log.close()
    assert ids(await all_of(Reader(log, after=2))) == [3, 4]
    assert await all_of(Reader(log, after=4)) == []
    assert await all_of(Reader(log, after=99)) == []


async def test_a_reader_knows_when_nothing_can_follow() -> None:
    log = EventLog()
    log.append("done", None)
    async with Reader(log) as reader:
        seen = [reader.at_last]
        await reader.next()
        seen.append(reader.at_last)
        log.close()
        seen.append(reader.at_last)
        assert seen == [False, False, True]
        assert await reader.next() is None


async def test_a_reader_that_waits_is_woken_by_the_next_event_and_by_the_end() -> None:
    log = EventLog()
    async with Reader(log) as reader:
        waiting = asyncio.create_task(reader.next())
        await asyncio.sleep(0)
        log.append("status", "at work")
        event = await waiting
        assert event is not None
        assert event.kind == "status"
        waiting = asyncio.create_task(reader.next())
        await asyncio.sleep(0)
        log.close()
        assert await waiting is None


async def test_a_reader_that_gives_up_waiting_misses_nothing_and_leaves_nothing_behind() -> None:
    log = EventLog()
    async with Reader(log) as reader:
        for _ in range(3):
            waiting = asyncio.create_task(reader.next())
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        assert not log._waiters
        waiting = asyncio.create_task(reader.next())
        await asyncio.sleep(0)
        waiting.cancel()
        log.append("status", "in the same turn")
        with pytest.raises(asyncio.CancelledError):
            await waiting
        event = await reader.next()
        assert event is not None
        assert event.id == 1


async def blocked_writer(log: EventLog) -> "asyncio.Task[None]":
    """A writer that waits for room, and has been seen to wait."""
    writer = asyncio.create_task(log.room())
    for _ in range(3):
        await asyncio.sleep(0)
    assert not writer.done()
    return writer


async def test_a_log_that_nobody_reads_never_holds_its_writer() -> None:
    log = EventLog()
    fill(log, 10 * READER_LAG_EVENTS)
    await log.room()
    async with Reader(log):
        await log.room()


async def test_a_pacing_reader_holds_the_writer_until_it_has_caught_up() -> None:
    log = EventLog()
    async with Reader(log, pacing=True) as reader:
        fill(log, READER_LAG_EVENTS)
        await log.room()
        log.append("chunk", "one too many")
        writer, second_writer = await blocked_writer(log), await blocked_writer(log)
        await reader.next()
        await writer
        await second_writer


async def test_a_writer_that_is_cancelled_while_it_waits_leaves_the_other_waiting() -> None:
    log = EventLog()
    async with Reader(log, pacing=True) as reader:
        fill(log, READER_LAG_EVENTS + 1)
        writer, second_writer = await blocked_writer(log), await blocked_writer(log)
        writer.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writer
        assert not second_writer.done()
        await reader.next()
        await second_writer


async def test_one_large_event_does_not_hold_its_writer_and_a_second_does() -> None:
    log = EventLog()
    async with Reader(log, pacing=True) as reader:
        log.append("chunk", "x" * 2 * READER_LAG_BYTES)
        await log.room()
        log.append("chunk", "small")
        writer = await blocked_writer(log)
        await reader.next()
        await writer


async def test_what_a_pacing_reader_has_yet_to_read_is_never_dropped() -> None:
    log = EventLog(limit=3, bytes_limit=100)
    async with Reader(log, pacing=True) as reader:
        fill(log, 5, "x" * 98)  # 100 bytes each
        assert ids(log.after(0)) == [1, 2, 3, 4, 5]
        assert [(await reader.next()).id for _ in range(2)] == [1, 2]  # type: ignore[union-attr]
        log.append("chunk", "x")
        assert [(await reader.next()).id for _ in range(4)] == [3, 4, 5, 6]  # type: ignore[union-attr]
    assert ids(log.after(0)) == [6]  # nothing is kept for a reader that has left


async def test_many_bytes_already_read_hold_nobody() -> None:
    log = EventLog()
    async with Reader(log, pacing=True) as reader:
        for _ in range(4):
            log.append("chunk", "x" * READER_LAG_BYTES)
            await log.room()
            await reader.next()
        fill(log, 2)
        await log.room()


@pytest.mark.parametrize("how", ["leaves", "is replaced", "sees the end"])
async def test_the_writer_is_free_when_its_pacing_reader(how: str) -> None:
    log = EventLog()
    reader = Reader(log, pacing=True)
    await reader.__aenter__()
    fill(log, READER_LAG_EVENTS + 1)
    writer = await blocked_writer(log)
    if how == "leaves":
        await reader.__aexit__()
    elif how == "is replaced":
        async with Reader(log, after=log.last_id, pacing=True):
            await reader.__aexit__()  # the old one no longer has a say
            await writer
    else:
        log.close()
    await writer


async def test_a_pacing_reader_that_replaces_another_holds_the_writer_in_its_turn() -> None:
    log = EventLog()
    fill(log, READER_LAG_EVENTS + 1)
    async with Reader(log, pacing=True), Reader(log, pacing=True) as second:
        writer = await blocked_writer(log)
        await second.next()
        await writer


async def test_the_end_of_a_log_wakes_a_reader_once_it_has_been_cancelled_too() -> None:
    log = EventLog()
    async with Reader(log) as reader:
        waiting = asyncio.create_task(reader.next())
        await until(lambda: bool(log._waiters))
        waiting.cancel()
        log.close()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await reader.next() is None


class Colour(Enum):
    RED = "red"


@dataclass
class Point:
    x: int
    label: str = "here"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": [1, None, True]}, {"a": [1, None, True]}),
        (Point(1), {"x": 1, "label": "here"}),
        (Colour.RED, "red"),
        (float("nan"), None),
        ({"a\ud800": ["b\udc00", ("c", "\U0001f600")]}, {"a\ufffd": ["b\ufffd", ["c", "😀"]]}),
    ],
)
def test_what_json_can_carry_is_carried(value: object, expected: object) -> None:
    assert orjson.loads(encode_json(value)) == expected


def itself() -> list[Any]:
    circle: list[Any] = ["\ud800"]
    circle.append(circle)
    return circle


@pytest.mark.parametrize(
    "value",
    [object(), {1: "a number as a name"}, 2**70, b"bytes", itself(), [object(), "\ud800"]],
    ids=["object", "key", "large", "bytes", "circle", "object-and-surrogate"],
)
def test_what_json_cannot_carry_is_not_json(value: object) -> None:
    log = EventLog()
    with pytest.raises(NotJson):
        log.append("chunk", value)
    assert log.last_id == 0
    assert log.size == 0


def test_a_dataclass_with_half_a_surrogate_pair_is_not_json() -> None:
    with pytest.raises(NotJson):
        encode_json(Point(1, "\ud800"))


async def test_a_follower_that_is_no_task_hears_of_each_event_and_paces_the_writer() -> None:
    log, heard = EventLog(), []

    class Follower:
        position = 0

        def notify(self) -> None:
            heard.append(log.last_id)

        def is_behind(self) -> bool:
            return log.far_behind(self.position)

    follower = Follower()
    log.follow(follower)
    for number in range(READER_LAG_EVENTS + 1):
        assert not log.crowded
        log.append("said", number)
    assert heard == [*range(1, READER_LAG_EVENTS + 2)]
    assert log.crowded
    waiting = asyncio.create_task(log.room())
    await asyncio.sleep(0)
    follower.position = 1
    log.moved_on(follower)
    await waiting
    log.append("said", "more")
    assert log.crowded
    log.unpace(Follower())
    assert log.crowded
    told = len(heard)
    log.follow(None)
    log.append("said", "to nobody")
    assert len(heard) == told
    assert not log.crowded
