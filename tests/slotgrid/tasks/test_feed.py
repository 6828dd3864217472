"""The feed of changes: who gets which, what a slow listener misses, and how one goes on."""

import asyncio
from itertools import islice
from typing import Any

import pytest

from slotgrid.core.errors import FunctionFailed, QueueFull
from slotgrid.core.principal import Principal, Scope
from slotgrid.core.submission import Submission
from slotgrid.core.task import Task
from slotgrid.tasks import feed as module
from slotgrid.tasks.event_stream import Missed
from slotgrid.tasks.feed import BACKLOG, KEPT, FeedEvent, FeedFilter, Listener, TaskFeed
from tests.slotgrid.core.fakes import PLAIN

ALL = FeedFilter()
ROOT = Principal("root", frozenset({Scope.OPERATE}))
ANN = Principal("ann", frozenset({Scope.READ}))


def task(owner: str = "ann", **more: Any) -> Task:
    made = Task(Submission(function=PLAIN.name), PLAIN, owner=owner, input={})
    for name, value in more.items():
        setattr(made, name, value)
    return made


async def waiting(listener: Listener) -> list[FeedEvent | Missed]:
    """What the listener has without a wait."""
    found: list[FeedEvent | Missed] = []
    items = aiter(listener)
    while True:
        try:
            async with asyncio.timeout(0.01):
                found.append(await anext(items))
        except (TimeoutError, StopAsyncIteration):
            return found


def kinds(found: list[FeedEvent | Missed]) -> list[str]:
    return [one.kind if isinstance(one, FeedEvent) else f"missed {one.count}" for one in found]


async def test_each_change_is_told_as_it_was() -> None:
    feed = TaskFeed()
    async with feed.listen(ROOT, ALL) as listener:
        one = task(parent="flow", step="pages[3]")
        feed.accepted(one)
        one.begin_attempt("worker-1", 2, "default")
        feed.started(one)
        error = FunctionFailed("it broke")
        feed.will_retry(one, error, 1.0)
        one.error = error
        feed.finished(one)
        found = await waiting(listener)
    assert kinds(found) == ["queued", "started", "retrying", "ended"]
    changes = [one.change for one in found if isinstance(one, FeedEvent)]
    assert [(c.attempt, c.worker, c.pool, c.slot) for c in changes[:2]] == [
        (0, None, None, None),
        (1, "worker-1", "default", 2),
    ]
    assert {(c.parent, c.step, c.owner) for c in changes} == {("flow", "pages[3]", "ann")}
    assert changes[3].error is not None
    assert (changes[3].error.type, changes[3].error.detail) == (
        "/problems/function-failed",
        "it broke",
    )
    ids = [one.id for one in found if isinstance(one, FeedEvent)]
    assert ids == sorted(set(ids))


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        ({"owner": "ann"}, True),
        ({"owner": "bob"}, False),
        ({"function": PLAIN.name}, True),
        ({"function": "other"}, False),
        ({"group": "default"}, True),
        ({"group": "other"}, False),
        ({"worker": "worker-1", "pool": "default", "slot": 0}, True),
        ({"worker": "worker-2"}, False),
        ({"pool": "other"}, False),
        ({"slot": 1}, False),
        ({"parent": "flow"}, True),
        ({"parent": "other"}, False),
    ],
)
async def test_a_filter_narrows_what_is_told(wanted: dict[str, Any], fits: bool) -> None:
    feed = TaskFeed()
    async with feed.listen(ROOT, FeedFilter(**wanted)) as listener:
        one = task(parent="flow")
        one.begin_attempt("worker-1", 0, "default")
        feed.started(one)
        assert bool(await waiting(listener)) is fits


async def test_others_tasks_are_told_to_those_who_may_see_them() -> None:
    feed = TaskFeed()
    async with feed.listen(ROOT, ALL) as root, feed.listen(ANN, ALL) as ann:
        feed.accepted(task("ann"))
        feed.accepted(task("bob"))
        assert len(await waiting(root)) == 2
        assert len(await waiting(ann)) == 1


async def test_a_slow_listener_is_told_what_it_missed() -> None:
    feed = TaskFeed()
    async with feed.listen(ROOT, ALL) as listener:
        for _ in range(BACKLOG + 7):
            feed.accepted(task())
        found = await waiting(listener)
        assert kinds(found)[0] == "missed 7"
        assert len(found) == BACKLOG + 1
        feed.accepted(task())
        assert kinds(await waiting(listener)) == ["queued"]


async def test_a_listener_that_reads_while_it_misses_hears_of_it_in_between() -> None:
    feed = TaskFeed()
    async with feed.listen(ROOT, ALL) as listener:
        feed.accepted(task())
        items = aiter(listener)
        assert isinstance(await anext(items), FeedEvent)
        for _ in range(BACKLOG + 1):
            feed.accepted(task())
        found = [await anext(items) for _ in range(3)]
        assert kinds(found) == ["missed 1", "queued", "queued"]


async def test_one_that_connects_again_goes_on() -> None:
    feed = TaskFeed()
    async with feed.listen(ROOT, ALL) as listener:
        for _ in range(5):
            feed.accepted(task())
        seen = [one.id for one in islice(await waiting(listener), 5) if isinstance(one, FeedEvent)]
    async with feed.listen(ROOT, ALL, after=seen[1]) as again:
        assert [one.id for one in await waiting(again) if isinstance(one, FeedEvent)] == seen[2:]
    async with feed.listen(ROOT, ALL, after=seen[-1]) as again:
        assert await waiting(again) == []
    for _ in range(KEPT):
        feed.accepted(task())
    async with feed.listen(ROOT, ALL, after=seen[1]) as again:
        found = await waiting(again)
        assert kinds(found)[0] == "missed 3"
        assert len(found) == KEPT + 1
    later = TaskFeed()
    async with later.listen(ROOT, ALL, after=seen[1]) as again:
        later.accepted(task())
        assert kinds(await waiting(again)) == ["missed None", "queued"]
        again.miss(3)
        again.miss(None)
        assert kinds(await waiting(again)) == ["missed None"]


async def test_the_number_of_listeners_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LISTENERS_MOST", 2)
    feed = TaskFeed()
    async with feed.listen(ROOT, ALL), feed.listen(ROOT, ALL):
        with pytest.raises(QueueFull, match="2 callers listen"):
            feed.listen(ROOT, ALL)
    async with feed.listen(ROOT, ALL):
        pass


async def test_the_end_of_the_feed_ends_its_listeners() -> None:
    feed = TaskFeed()
    async with feed.listen(ROOT, ALL) as listener:
        feed.accepted(task())
        reading = asyncio.ensure_future(_all(listener))
        await asyncio.sleep(0)
        feed.end()
        await asyncio.wait_for(feed.wait_ended(), 5)
        assert kinds(await asyncio.wait_for(reading, 5)) == ["queued"]


async def _all(listener: Listener) -> list[FeedEvent | Missed]:
    return [one async for one in listener]
