"""Cancel at every place where a task can be, and the cleaning of its slot."""

import asyncio
from typing import Any

import orjson
import pytest

from slotgrid.core.await_completion import await_completion
from slotgrid.core.errors import (
    FunctionFailed,
    TaskCancelled,
)
from slotgrid.core.task_states import TaskState
from tests.slotgrid.core.fakes import (
    TWICE_IS_SAFE,
    FakeNode,
    ended,
    ended_with_others,
    terminal_events,
    turns,
    until,
)

# Cancel, at every place where a task can be.


async def test_a_task_cancelled_before_its_first_turn_ends(node: FakeNode) -> None:
    task = node.submit()
    assert node.supervisor.cancel(task, "the caller disconnected")
    await ended(node, task, TaskState.CANCELLED)
    assert node.runner.runs[task.id] == 0


async def test_a_task_cancelled_while_it_waits_leaves_the_queue(node: FakeNode) -> None:
    holder = await node.running()
    task = await node.waiting()
    assert node.supervisor.cancel(task, "ann asked for it")
    await ended_with_others(node, task, TaskCancelled)
    assert node.dispatcher.waiting == 0
    assert orjson.loads(terminal_events(task)[0].payload)["reason"] == "ann asked for it"
    node.runner.finish(holder)
    await ended(node, holder, TaskState.COMPLETED)


async def test_a_task_cancelled_while_it_runs_gives_its_slot_back(node: FakeNode) -> None:
    task = await node.running()
    assert node.supervisor.cancel(task, "ann asked for it")
    await ended(node, task, TaskState.CANCELLED)
    assert isinstance(task.attempts[0].error, TaskCancelled)


async def test_a_task_cancelled_between_grant_and_start_gives_its_slot_back(
    node: FakeNode,
) -> None:
    lease = await node.take()
    task = await node.waiting()
    node.dispatcher.give_back(lease)
    assert node.slots.used == 1
    assert node.supervisor.cancel(task, "the caller disconnected")
    await ended(node, task, TaskState.CANCELLED)
    assert node.runner.runs[task.id] == 0


async def test_a_task_cancelled_while_it_backs_off_ends_at_once(node: FakeNode) -> None:
    task = await node.running(TWICE_IS_SAFE)
    node.runner.fail(task, retryable=True)
    await until(lambda: bool(node.naps.sleeping))
    assert node.supervisor.cancel(task, "the caller disconnected")
    await ended(node, task, TaskState.CANCELLED)
    assert isinstance(task.attempts[0].error, FunctionFailed)


async def test_cancelling_twice_does_not_interrupt_the_winding_up(node: FakeNode) -> None:
    node.runner.cleans = True
    task = await node.running()
    assert node.supervisor.cancel(task, "first")
    assert node.supervisor.cancel(task, "second")
    await task.wait_finished()
    assert task.cancel_reason == "first"
    await until(lambda: task.id in node.runner.cleaning)
    assert not node.supervisor.cancel(task, "third")
    assert node.slots.used == node.supervisor.cleaning == 1
    node.runner.cleaning[task.id].set_result(None)
    await ended(node, task, TaskState.CANCELLED)


async def test_a_task_that_has_ended_or_was_never_ours_cannot_be_cancelled(
    node: FakeNode,
) -> None:
    node.runner.on_the_spot.append(b"1")
    task = node.submit()
    await task.wait_finished()
    assert not node.supervisor.cancel(task, "too late")
    assert not node.supervisor.cancel(node.task(), "whose?")
    await ended(node, task, TaskState.COMPLETED)


# Cleaning: the answer does not wait for it, the slot does.


async def test_the_answer_waits_for_no_cleaning_and_the_slot_does(node: FakeNode) -> None:
    node.runner.cleans = True
    task = await node.running()
    next_task = await node.waiting()
    node.runner.finish(task)
    await task.wait_finished()
    assert node.supervisor.cleaning == node.slots.used == 1
    assert task in node.supervisor.live
    assert node.runner.runs[next_task.id] == 0
    await until(lambda: task.id in node.runner.cleaning)
    node.runner.cleaning[task.id].set_result(None)
    await node.runner.started(next_task)
    node.runner.cleans = False
    node.runner.finish(next_task)
    await ended(node, task, TaskState.COMPLETED)


async def test_a_cancel_while_a_failed_attempt_is_cleaned_does_not_interrupt_the_cleaning(
    node: FakeNode,
) -> None:
    node.runner.cleans = True
    task = await node.running(TWICE_IS_SAFE)
    node.runner.fail(task, retryable=True)
    await until(lambda: task.id in node.runner.cleaning)
    assert node.supervisor.cancel(task, "the caller disconnected")
    await task.wait_finished()
    assert node.slots.used == node.supervisor.cleaning == 1
    assert list(node.supervisor.live) == [task]
    node.runner.cleaning[task.id].set_result(None)
    await ended(node, task, TaskState.CANCELLED)


async def test_cleaning_that_breaks_is_told_as_ours_and_gives_the_slot_back(
    node: FakeNode,
) -> None:
    node.runner.cleans = True
    task = await node.running()
    node.runner.finish(task)
    await until(lambda: task.id in node.runner.cleaning)
    node.runner.cleaning[task.id].set_exception(ZeroDivisionError())
    await ended(node, task, TaskState.COMPLETED)
    assert len(node.observer.defects) == 1


async def interrupted(work: "asyncio.Future[Any]") -> "asyncio.Task[None]":
    """A task that awaits `work` uninterruptedly and has been cancelled twice already."""

    async def wait() -> None:
        await work

    outer = asyncio.create_task(await_completion(wait()))
    for _ in range(2):
        await turns(3)
        outer.cancel()
    await turns(3)
    assert not outer.done()
    return outer


async def test_uninterrupted_work_goes_on_however_often_its_waiter_is_cancelled() -> None:
    work = asyncio.get_running_loop().create_future()
    outer = await interrupted(work)
    work.set_result(None)
    with pytest.raises(asyncio.CancelledError):
        await outer


async def test_uninterrupted_work_that_breaks_says_so_to_a_cancelled_waiter_too() -> None:
    work = asyncio.get_running_loop().create_future()
    outer = await interrupted(work)
    work.set_exception(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        await outer


async def test_the_node_that_stops_ends_its_tasks_as_cancelled(node: FakeNode) -> None:
    task = await node.running()
    (worker,) = [each for each in asyncio.all_tasks() if each.get_name() == task.id]
    worker.cancel()  # as the loop does when the process ends
    await ended(node, task, TaskState.CANCELLED)
    assert task.error is not None
    assert task.error.reason == "the node is stopping"


async def test_idle_is_when_no_task_is_live_and_again_when_the_next_has_gone(
    node: FakeNode,
) -> None:
    await node.supervisor.wait_idle()
    first, second = await node.running(), await node.waiting()
    idle = asyncio.create_task(node.supervisor.wait_idle())
    node.runner.finish(first)
    await node.runner.started(second)
    assert not idle.done()
    node.runner.finish(second)
    await idle
    await ended(node, second, TaskState.COMPLETED)
