"""Tasks with callers that wait: admission, shared keys, callers that leave, readers of events."""

import asyncio

import pytest

from slotgrid.core.errors import (
    Conflict,
    Gone,
    InvalidInput,
    NoWorker,
    QueueFull,
    UnknownFunction,
)
from slotgrid.core.event_log import Reader
from slotgrid.core.submission import Submission
from slotgrid.core.task import Task
from slotgrid.core.task_parts import Source
from slotgrid.core.task_states import TaskState
from slotgrid.tasks.awaited_task import AwaitedTask
from slotgrid.tasks.large_input import LARGE_BODY_BYTES
from tests.slotgrid.tasks.services import ADA, BOB, RunningService, running_service

GREET = Submission.parse({"function": "greet"})
HOLD = Submission.parse({"function": "hold"})
ECHO = Submission.parse({"function": "echo", "input": {"value": 1}})


async def test_a_started_task_runs_as_the_principal_and_from_the_source(
    service: RunningService,
) -> None:
    async with service.tasks.start(ADA, GREET, source=Source("hook", "h")) as started:
        await started.task.wait_finished()
    assert (started.task.owner, started.task.source) == ("ada", Source("hook", "h"))
    assert started.task.state is TaskState.COMPLETED
    assert not started.replayed


async def test_a_refusal_is_raised_and_counted(service: RunningService) -> None:
    for submission, error in (
        (Submission(function="nobody"), UnknownFunction),
        (Submission(function="greet", input={"name": 7}), InvalidInput),
    ):
        with pytest.raises(error):
            async with service.tasks.start(ADA, submission):
                pass
    assert service.refused == ["unknown-function", "invalid-input"]


async def test_a_large_input_is_checked_before_admission(service: RunningService) -> None:
    value = "x" * LARGE_BODY_BYTES
    given = Submission(function="greet", input={"name": value}, size=len(value))
    with pytest.raises(InvalidInput):
        async with service.tasks.start(ADA, given):
            pass
    assert service.refused == ["invalid-input"]


async def test_a_submission_waits_for_a_worker_that_was_just_lost(service: RunningService) -> None:
    service.offer.refusal = NoWorker("its link is down", may_return_s=20)

    async def call() -> Task:
        async with service.tasks.start(ADA, GREET) as started:
            await started.task.wait_finished()
            return started.task

    caller = asyncio.create_task(call())
    assert await service.offer.waits.get() == 20
    service.offer.refusal = None
    service.offer.back.set()
    assert (await caller).state is TaskState.COMPLETED
    assert service.refused == []


async def test_a_large_input_without_a_worker_is_refused_for_that(service: RunningService) -> None:
    service.offer.refusal = NoWorker("its link is down")
    with pytest.raises(NoWorker):
        async with service.tasks.start(ADA, Submission(function="echo", size=LARGE_BODY_BYTES)):
            pass


async def test_a_submission_does_not_wait_for_a_worker_longer_than_it_may(
    service: RunningService,
) -> None:
    service.offer.refusal = NoWorker("its link is down", may_return_s=20)
    with pytest.raises(NoWorker):
        async with service.tasks.start(ADA, Submission(function="greet", wait_s=0)):
            pass
    assert service.refused == ["no-worker"]


async def test_callers_with_one_key_share_one_task(service: RunningService) -> None:
    async with (
        service.tasks.start(ADA, HOLD, key="k") as first,
        service.tasks.start(ADA, HOLD, key="k") as second,
        service.tasks.start(BOB, HOLD, key="k") as of_another_owner,
    ):
        assert second.task is first.task
        assert (first.replayed, second.replayed) == (False, True)
        assert of_another_owner.task is not first.task
        service.runner.gate.set()
        await first.task.wait_finished()


async def test_a_key_of_another_body_is_a_conflict(service: RunningService) -> None:
    async with service.tasks.start(ADA, GREET, key="k") as started:
        await started.task.wait_finished()
    with pytest.raises(Conflict) as conflict:
        async with service.tasks.start(ADA, ECHO, key="k"):
            pass
    assert conflict.value.task_id == started.task.id


@pytest.mark.parametrize("leaving", [asyncio.CancelledError(), ConnectionResetError()])
async def test_the_last_caller_that_leaves_cancels_the_task(
    service: RunningService, leaving: BaseException
) -> None:
    async with service.tasks.start(ADA, HOLD, key="k") as first:
        with pytest.raises(type(leaving)):
            async with service.tasks.start(ADA, HOLD, key="k"):
                raise leaving
        assert first.task.cancel_reason is None
    with pytest.raises(type(leaving)):
        async with service.tasks.start(ADA, HOLD, key="k"):
            raise leaving
    await first.task.wait_finished()
    assert first.task.state is TaskState.CANCELLED
    assert first.task.cancel_reason == "the caller disconnected"


async def test_an_error_of_the_caller_does_not_cancel_the_task(service: RunningService) -> None:
    with pytest.raises(ZeroDivisionError):
        async with service.tasks.start(ADA, HOLD) as started:
            raise ZeroDivisionError
    service.runner.gate.set()
    await started.task.wait_finished()
    assert started.task.state is TaskState.COMPLETED


async def test_a_full_queue_is_the_end_of_a_started_task() -> None:
    async with running_service(slots=1, queue_limit=0) as service:
        await service.running()
        async with service.tasks.start(ADA, GREET) as started:
            await started.task.wait_finished()
        assert isinstance(started.task.error, QueueFull)


async def test_the_reader_of_the_first_caller_gets_every_event(service: RunningService) -> None:
    chatter = Submission.parse(
        {"function": "chatter", "input": {"count": 1500, "size": 1}, "mode": "stream"}
    )
    async with service.tasks.start(ADA, chatter, key="k") as first, first.reader() as reader:
        ids = [event.id async for event in reader]
    assert ids == list(range(1, 1502))
    async with service.tasks.start(ADA, chatter, key="k") as again:
        with pytest.raises(Gone):
            again.reader()


async def test_a_replayed_stream_breaks_at_a_gap(service: RunningService) -> None:
    held = await service.running(mode="stream")
    async with Reader(held.task.events) as first:
        await first.next()
    for _ in range(3):
        held.task.events.append("chunk", {"data": "x"})
    async with AwaitedTask(held.task, replayed=True).reader() as reader:
        assert [(await reader.next()).id for _ in range(2)] == [1, 2]  # type: ignore[union-attr]
        reader._pending.clear()
        held.task.events.limit = 1
        held.task.events.append("chunk", {"data": "x"})
        with pytest.raises(ConnectionError, match="too slow"):
            await reader.next()
