"""Following the events and the log of a task, live or on record."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from slotgrid.core.errors import DatabaseUnavailable
from slotgrid.core.event_log import Event
from slotgrid.core.submission import Submission
from slotgrid.core.task import Task
from slotgrid.core.task_states import TaskState
from slotgrid.records.task_repository import Record
from slotgrid.tasks import service as service_module
from slotgrid.tasks import task_loading
from slotgrid.tasks.event_stream import EventStream, Missed
from slotgrid.tasks.log_stream import LogStream
from tests.harness.calls import GIVE_UP_S
from tests.slotgrid.tasks.services import ADA, RunningService, all_of, kinds, lines

GREETED = ["status", "chunk", "chunk", "chunk", "progress", "done"]


@pytest.fixture(autouse=True)
def _poll_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (task_loading, service_module):
        monkeypatch.setattr(module, "POLL_S", 0.01)


async def test_events_of_an_ended_task_can_be_read_from_any_of_them(
    service: RunningService,
) -> None:
    task = await service.ended()
    assert await kinds(await service.tasks.follow(ADA, task.id)) == GREETED
    assert await kinds(await service.tasks.follow(ADA, task.id, after=4)) == GREETED[4:]
    assert await kinds(await service.tasks.follow(ADA, task.id, after=6)) == []


async def test_events_of_a_live_task_come_until_its_end(service: RunningService) -> None:
    held = await service.running()
    stream = await service.tasks.follow(ADA, held.task.id)
    following = asyncio.create_task(kinds(stream))
    ended = asyncio.create_task(stream.wait_ended())
    await asyncio.sleep(0)
    assert not ended.done()
    service.runner.gate.set()
    assert await following == ["status", "done"]
    await ended


async def test_a_gap_before_an_event_is_told_with_its_size(service: RunningService) -> None:
    held = await service.running()
    stream = (await service.tasks.follow(ADA, held.task.id)).__aiter__()
    assert (await _event(stream)).id == 1
    held.task.events.limit = 2
    for _ in range(5):
        held.task.events.append("chunk", {"data": "x"})
    assert await anext(stream) == Missed("3 earlier events were evicted", 3)
    assert [(await _event(stream)).id for _ in range(2)] == [5, 6]


async def test_recorded_events_stand_for_a_task_of_another_process(
    durable: RunningService,
) -> None:
    task_id = await durable.recorded()
    stream = await durable.tasks.follow(ADA, task_id)
    # Chatter is not recorded, which the numbers of the recorded events show.
    assert await kinds(stream) == ["missed", "state", "done"]
    await stream.wait_ended()
    last = (await all_of(await durable.tasks.follow(ADA, task_id)))[-1]
    assert isinstance(last, Event)
    assert await kinds(await durable.tasks.follow(ADA, task_id, after=last.id)) == []


async def test_a_task_on_disk_is_followed_when_it_comes_to_life(
    durable: RunningService, monkeypatch: pytest.MonkeyPatch
) -> None:
    task_id, live = await _hidden(durable, monkeypatch)
    stream = await durable.tasks.follow(ADA, task_id)
    following = asyncio.create_task(kinds(stream))
    await asyncio.sleep(0.05)
    assert not following.done()
    monkeypatch.undo()
    durable.runner.gate.set()
    assert "done" in await following
    await live.wait_finished()


async def test_a_task_that_ends_elsewhere_is_followed_on_record(
    durable: RunningService, monkeypatch: pytest.MonkeyPatch
) -> None:
    task_id, live = await _hidden(durable, monkeypatch)
    following = asyncio.create_task(kinds(await durable.tasks.follow(ADA, task_id)))
    durable.runner.gate.set()
    await live.wait_finished()
    async with asyncio.timeout(GIVE_UP_S):
        assert (await following)[-1] == "done"


async def test_a_follower_outlasts_an_outage_of_the_database(
    durable: RunningService, monkeypatch: pytest.MonkeyPatch
) -> None:
    task_id, _ = await _hidden(durable, monkeypatch)
    following = asyncio.create_task(kinds(await durable.tasks.follow(ADA, task_id)))
    repository, asked = durable.tasks._repository, asyncio.Event()
    find = repository.find

    async def away(_: str) -> None:
        asked.set()
        raise DatabaseUnavailable("the test's")

    monkeypatch.setattr(repository, "find", away)
    async with asyncio.timeout(GIVE_UP_S):
        await asked.wait()
        monkeypatch.setattr(repository, "find", find)
        durable.runner.gate.set()
        assert (await following)[-1] == "done"


async def test_events_of_a_run_that_was_cut_off_may_be_missing(durable: RunningService) -> None:
    held = await durable.running()
    # As the prefetcher restores a record whose run was cut off by the end of its process.
    task = Task(held.task.submission, held.task.spec, owner="ada", input={})
    task.restore(created_at=task.created_at, starts=1, first_event=1_000_000)
    task.events.append("status", {"text": "here"})
    stream = EventStream(durable.tasks._repository, task).__aiter__()
    assert await anext(stream) == Missed("events of an earlier process may be missing", None)
    assert (await _event(stream)).id == 1_000_001
    task.events.close()
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_a_log_has_the_lines_of_all_steps_or_of_one(service: RunningService) -> None:
    task = await service.ended(function="steps")
    whole = await lines(await service.tasks.logs(ADA, task.id))
    assert {step for step, _ in whole} == {"_node", "main", "greet-1"}
    one = await lines(await service.tasks.logs(ADA, task.id, step="greet-1"))
    assert one == [line for line in whole if line[0] == "greet-1"]
    assert await lines(await service.tasks.logs(ADA, task.id, follow=True)) == whole


async def test_a_followed_log_ends_with_its_task(service: RunningService) -> None:
    held = await service.running()
    assert len(await lines(await service.tasks.logs(ADA, held.task.id))) == 1
    stream = await service.tasks.logs(ADA, held.task.id, follow=True)
    following = asyncio.create_task(lines(stream))
    held.task.log("something new", step="main")
    await asyncio.sleep(0)
    assert not following.done()
    service.runner.gate.set()
    assert [step for step, _ in await following] == ["_node", "main", "_node"]
    await stream.wait_ended()


async def test_the_log_of_a_recorded_task_is_read_from_its_record(durable: RunningService) -> None:
    written = await durable.recorded(function="steps")
    steps = [step for step, _ in await lines(await durable.tasks.logs(ADA, written))]
    assert sorted(set(steps)) == ["_node", "greet-1", "main"]
    plain = await durable.recorded()
    stream = await durable.tasks.logs(ADA, plain, follow=True)
    assert [text for _, text in await lines(stream)][-1] == b'["stdout","completed"]'
    await stream.wait_ended()


async def test_the_log_of_a_task_on_disk_is_followed_when_it_is_taken_up(
    durable: RunningService, monkeypatch: pytest.MonkeyPatch
) -> None:
    task_id, live = await _hidden(durable, monkeypatch)
    stream = await durable.tasks.logs(ADA, task_id, follow=True)
    following = asyncio.create_task(lines(stream))
    ended = asyncio.create_task(stream.wait_ended())
    await asyncio.sleep(0.05)
    assert not following.done()
    monkeypatch.undo()
    live.log("something new", step="main")
    durable.runner.gate.set()
    async with asyncio.timeout(GIVE_UP_S):
        texts = [text for _, text in await following]
        await ended
    assert b'["stdout","something new"]' in texts
    assert texts[-1] == b'["stdout","completed"]'


async def test_the_log_of_a_task_that_ends_elsewhere_is_followed_on_record(
    durable: RunningService, monkeypatch: pytest.MonkeyPatch
) -> None:
    task_id, live = await _hidden(durable, monkeypatch)
    following = asyncio.create_task(lines(await durable.tasks.logs(ADA, task_id, follow=True)))
    durable.runner.gate.set()
    await live.wait_finished()
    async with asyncio.timeout(GIVE_UP_S):
        assert (await following)[-1][1] == b'["stdout","completed"]'


async def test_lines_of_earlier_processes_come_before_those_of_this_one(
    durable: RunningService,
) -> None:
    written = await durable.recorded(function="steps")
    held = await durable.running()
    task = Task(held.task.submission, held.task.spec, owner="ada", input={}, id=written)
    task.restore(created_at=task.created_at, starts=1, first_event=1_000_000)
    task.log("a line of this process", step="main")
    stream = LogStream(durable.tasks._repository, task, step="main", follow=False)
    texts = [text for _, text in await lines(stream)]
    assert texts == [b'["stdout","a line of the function"]', b'["stdout","a line of this process"]']


async def test_a_wait_for_a_task_of_another_process_ends_with_it(
    durable: RunningService, monkeypatch: pytest.MonkeyPatch
) -> None:
    task_id, live = await _hidden(durable, monkeypatch)
    assert not (await durable.tasks.wait(ADA, task_id, 0.05)).state.terminal
    waiting = asyncio.create_task(durable.tasks.wait(ADA, task_id, GIVE_UP_S))
    durable.runner.gate.set()
    await live.wait_finished()
    found = await waiting
    assert isinstance(found, Record)
    assert found.state is TaskState.COMPLETED


async def _hidden(service: RunningService, monkeypatch: pytest.MonkeyPatch) -> tuple[str, Task]:
    """A durable task that runs, and that its service finds on record only."""
    submission = Submission.parse({"function": "hold", "mode": "async"})
    receipt = await service.tasks.submit(ADA, submission)
    live = await service.next_started()
    monkeypatch.setattr(service.tasks._history, "get", lambda _: None)
    return receipt.id, live


async def _event(stream: AsyncIterator[Event | Missed]) -> Event:
    item = await anext(stream)
    assert isinstance(item, Event)
    return item
