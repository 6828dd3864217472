import asyncio
from typing import Any

import orjson
import pytest

from slotgrid.core.errors import (
    FunctionFailed,
    Internal,
    QueueFull,
    TaskCancelled,
    WaitExceeded,
)
from slotgrid.core.supervisor import AttemptFailed, Refused, uninterrupted
from slotgrid.core.task import Task, TaskState
from tests.slotgrid.core.fakes import (
    FakeNode,
    function,
    make_node,
    terminal_events,
    until,
)

TWICE_IS_SAFE = function("twice_is_safe", retries=1)


@pytest.fixture
def node() -> FakeNode:
    return make_node(TWICE_IS_SAFE)


async def ended(node: FakeNode, task: Task, state: TaskState) -> None:
    """Wait for the end, then check that it was one, and that nothing is left of the task."""
    await task.wait_finished()
    await node.supervisor.wait_idle()
    assert task.state is state
    assert node.observer.count("finished", task) == 1
    (last,) = terminal_events(task)
    assert last.id == task.events.last_id
    assert last.kind == ("done" if state is TaskState.COMPLETED else "error")
    node.assert_nothing_leaked()


async def test_a_task_that_completes_says_its_result_and_gives_its_slot_back(
    node: FakeNode,
) -> None:
    task = await node.running()
    assert task.state is TaskState.RUNNING
    assert list(node.supervisor.live) == [task]
    assert node.supervisor.running == 1
    node.runner.finish(task, b'{"title":"Home"}')
    await ended(node, task, TaskState.COMPLETED)
    answer = orjson.loads(terminal_events(task)[0].payload)
    assert answer["result"] == {"title": "Home"}
    assert answer["worker"] == "w1"
    assert [attempt.number for attempt in task.attempts] == [1]
    assert node.observer.seen == [(w, task.id) for w in ("accepted", "leased", "finished")]


async def test_a_task_that_fails_says_its_problem_with_its_id(node: FakeNode) -> None:
    task = await node.running()
    node.runner.fail(task, retryable=True)  # which `plain` does not allow
    await ended(node, task, TaskState.FAILED)
    problem = orjson.loads(terminal_events(task)[0].payload)
    assert problem["type"] == "/problems/function-failed"
    assert problem["task_id"] == task.id
    assert task.attempts[0].error is task.error


async def test_an_allowed_retry_holds_no_slot_while_it_backs_off_and_runs_again(
    node: FakeNode,
) -> None:
    task = await node.running(TWICE_IS_SAFE)
    node.runner.fail(task, retryable=True)
    await until(lambda: bool(node.naps.sleeping))
    assert task.state is TaskState.QUEUED
    assert node.slots.used == 0
    other = await node.running()
    node.naps.wake()
    await until(lambda: node.dispatcher.position(task) == 1)
    node.runner.finish(other)
    await node.runner.started(task)
    node.runner.finish(task)
    await ended(node, task, TaskState.COMPLETED)
    assert [attempt.error is None for attempt in task.attempts] == [False, True]
    assert len(node.observer.delays_s) == 1


async def test_retries_are_used_up_in_the_end(node: FakeNode) -> None:
    task = await node.running(TWICE_IS_SAFE)
    node.runner.fail(task, retryable=True)
    await until(lambda: bool(node.naps.sleeping))
    node.naps.wake()
    await node.runner.started(task)
    node.runner.fail(task, retryable=True)
    await ended(node, task, TaskState.FAILED)
    assert [attempt.number for attempt in task.attempts] == [1, 2]


async def test_what_makes_no_sense_to_repeat_is_not_repeated(node: FakeNode) -> None:
    task = await node.running(TWICE_IS_SAFE)
    node.runner.fail(task, retryable=False)
    await ended(node, task, TaskState.FAILED)
    assert node.runner.runs[task.id] == 1


async def test_a_retry_queues_behind_those_who_came_while_it_ran() -> None:
    node = make_node(TWICE_IS_SAFE)
    task = await node.running(TWICE_IS_SAFE)
    node.runner.fail(task, retryable=True)
    await until(lambda: bool(node.naps.sleeping))
    holder = await node.running()
    earlier = await node.waiting()
    node.naps.wake()
    await until(lambda: node.dispatcher.position(task) == 2)
    assert node.dispatcher.position(earlier) == 1
    for each in (task, earlier, holder):
        node.supervisor.cancel(each, "the test is over")
    await node.supervisor.wait_idle()
    node.assert_nothing_leaked()


async def test_a_refused_task_has_not_started_and_keeps_its_place(node: FakeNode) -> None:
    task = await node.running()
    later = await node.waiting()
    arrival = task.queued_mono
    node.runner.refuse(task)
    await until(lambda: node.runner.runs[later.id] == 1)
    # The slot went to the one who waited; the refused one is the next, by its own arrival.
    newest = await node.waiting()
    assert node.dispatcher.position(task) == 1
    assert node.dispatcher.position(newest) == 2
    assert task.queued_mono == arrival
    assert task.attempts == []
    assert task.worker is None
    assert task.started_at is None
    assert task.run_ms == 0
    node.runner.finish(later)
    await node.runner.started(task)
    assert [attempt.number for attempt in task.attempts] == [1]
    node.runner.finish(task)
    await node.runner.started(newest)
    node.runner.finish(newest)
    await ended(node, task, TaskState.COMPLETED)


async def test_a_refused_retry_remembers_where_it_ran_before(node: FakeNode) -> None:
    task = await node.running(TWICE_IS_SAFE)
    node.runner.fail(task, retryable=True)
    await until(lambda: bool(node.naps.sleeping))
    started_at = task.started_at
    node.runner.on_the_spot.append(Refused())
    node.naps.wake()
    await node.runner.started(task)
    await until(lambda: task.id in node.runner.running)
    assert node.runner.runs[task.id] == 3
    assert task.started_at == started_at
    assert [attempt.number for attempt in task.attempts] == [1, 2]
    node.runner.finish(task)
    await ended(node, task, TaskState.COMPLETED)


async def test_refusals_do_not_renew_the_time_a_task_may_wait(node: FakeNode) -> None:
    task = await node.running(wait_s=0)
    other = await node.waiting()
    node.runner.refuse(task)
    await ended_with_others(node, task, WaitExceeded)
    await node.runner.started(other)
    node.runner.finish(other)
    await ended(node, other, TaskState.COMPLETED)


async def ended_with_others(node: FakeNode, task: Task, error: type[Exception]) -> None:
    """Wait for the end of a task while others go on."""
    await task.wait_finished()
    assert isinstance(task.error, error)
    assert len(terminal_events(task)) == 1


async def test_slots_that_refuse_on_the_spot_do_not_stop_the_loop(node: FakeNode) -> None:
    node.runner.on_the_spot.extend([Refused()] * 50)
    task = node.submit()
    await until(lambda: node.runner.runs[task.id] > 3)
    assert node.runner.on_the_spot  # the test got its turn before they were used up
    await until(lambda: task.id in node.runner.running)
    node.runner.finish(task)
    await ended(node, task, TaskState.COMPLETED)


async def test_a_task_that_may_not_wait_ends_when_every_slot_is_busy(node: FakeNode) -> None:
    holder = await node.running()
    task = node.submit(wait_s=0)
    await ended_with_others(node, task, WaitExceeded)
    assert task.error is not None
    assert task.error.task_id == task.id
    node.runner.finish(holder)
    await ended(node, holder, TaskState.COMPLETED)


async def test_without_wait_s_a_sync_task_waits_as_long_as_the_node_allows() -> None:
    node = make_node(max_wait_s=0)
    holder = await node.running()
    task = node.submit()
    await ended_with_others(node, task, WaitExceeded)
    node.runner.finish(holder)
    await ended(node, holder, TaskState.COMPLETED)


async def test_without_wait_s_a_durable_task_waits_without_end() -> None:
    node = make_node(max_wait_s=0)
    holder = await node.running()
    task = await node.waiting(mode="async")
    node.runner.finish(holder)
    await node.runner.started(task)
    node.runner.finish(task)
    await ended(node, task, TaskState.COMPLETED)


async def test_a_full_queue_ends_a_task_at_once() -> None:
    node = make_node(queue_limit=0)
    holder = await node.running()
    task = node.submit()
    await ended_with_others(node, task, QueueFull)
    node.runner.finish(holder)
    await ended(node, holder, TaskState.COMPLETED)


@pytest.mark.parametrize("defect", [ZeroDivisionError(), RuntimeError("broken pipe")])
async def test_a_runner_that_breaks_is_told_as_ours_and_gives_the_slot_back(
    node: FakeNode, defect: Exception
) -> None:
    task = await node.running()
    node.runner.end(task, defect)
    await ended(node, task, TaskState.FAILED)
    assert isinstance(task.error, Internal)
    assert node.observer.defects == [defect]
    assert task.attempts[0].ended_at is not None


async def test_a_service_error_out_of_the_runner_ends_the_task_with_it(node: FakeNode) -> None:
    task = await node.running()
    error = FunctionFailed("said without an attempt")
    node.runner.end(task, error)
    await ended(node, task, TaskState.FAILED)
    assert task.error is error


async def test_an_error_that_no_json_can_carry_becomes_an_internal_one(node: FakeNode) -> None:
    task = await node.running()
    error = FunctionFailed("odd", extra={"page": object()})
    node.runner.end(task, AttemptFailed(error, retryable=False))
    await ended(node, task, TaskState.FAILED)
    assert isinstance(task.error, Internal)


async def test_half_a_surrogate_pair_in_an_error_is_replaced(node: FakeNode) -> None:
    task = await node.running()
    node.runner.end(task, AttemptFailed(FunctionFailed("bad \ud800 text"), retryable=False))
    await ended(node, task, TaskState.FAILED)
    assert "\ufffd" in orjson.loads(terminal_events(task)[0].payload)["detail"]


@pytest.mark.parametrize("turn", ["leased", "finished"])
async def test_an_observer_that_breaks_leaves_nobody_waiting(node: FakeNode, turn: str) -> None:
    node.observer.breaks_on = turn
    node.runner.on_the_spot.append(b"1")
    task = node.submit()
    await task.wait_finished()
    await node.supervisor.wait_idle()
    assert task.state.terminal
    assert len(terminal_events(task)) == 1
    assert len(node.observer.defects) == 1
    node.assert_nothing_leaked()


# Cancel, at every place where a task can be.


async def test_a_task_cancelled_before_its_first_turn_ends(node: FakeNode) -> None:
    task = node.submit()
    assert node.supervisor.cancel(task, "the caller left")
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
    assert node.supervisor.cancel(task, "the caller left")
    await ended(node, task, TaskState.CANCELLED)
    assert node.runner.runs[task.id] == 0


async def test_a_task_cancelled_while_it_backs_off_ends_at_once(node: FakeNode) -> None:
    task = await node.running(TWICE_IS_SAFE)
    node.runner.fail(task, retryable=True)
    await until(lambda: bool(node.naps.sleeping))
    assert node.supervisor.cancel(task, "the caller left")
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


async def test_a_cancel_while_a_failed_attempt_is_cleaned_lets_the_cleaning_end_first(
    node: FakeNode,
) -> None:
    node.runner.cleans = True
    task = await node.running(TWICE_IS_SAFE)
    node.runner.fail(task, retryable=True)
    await until(lambda: task.id in node.runner.cleaning)
    assert node.supervisor.cancel(task, "the caller left")
    await turns(5)
    assert node.slots.used == node.supervisor.cleaning == 1
    assert not task.state.terminal
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


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def interrupted(work: "asyncio.Future[Any]") -> "asyncio.Task[None]":
    """A task that awaits `work` uninterruptedly and has been cancelled twice already."""

    async def wait() -> None:
        await work

    outer = asyncio.create_task(uninterrupted(wait()))
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
