import asyncio

import orjson
import pytest

from slotgrid.core.errors import (
    FunctionFailed,
    Internal,
    QueueFull,
    WaitExceeded,
)
from slotgrid.core.runner import AttemptFailed, Refused
from slotgrid.core.task_states import TaskState
from tests.slotgrid.core.fakes import (
    TWICE_IS_SAFE,
    FakeNode,
    ended,
    ended_with_others,
    make_node,
    terminal_events,
    turns,
    until,
)


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
    assert node.observer.seen == [(w, task.id) for w in ("accepted", "started", "finished")]


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


async def test_a_retry_may_wait_as_long_as_the_first_attempt_might(node: FakeNode) -> None:
    task = node.task(TWICE_IS_SAFE, wait_s=1000)
    task.queued_mono -= 2000  # its first wait is over, and it took a free slot
    node.supervisor.start(task)
    await node.runner.started(task)
    node.runner.fail(task, retryable=True)
    await until(lambda: bool(node.naps.sleeping))
    holder = await node.running()
    node.naps.wake()
    await until(lambda: node.dispatcher.position(task) == 1)
    await turns(5)  # a wait that is over would end here
    assert node.dispatcher.position(task) == 1
    node.runner.finish(holder)
    await node.runner.started(task)
    node.runner.finish(task)
    await ended(node, task, TaskState.COMPLETED)


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


@pytest.mark.parametrize("turn", ["started", "finished"])
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


async def test_a_refused_task_holds_no_slot_while_it_pauses(node: FakeNode) -> None:
    node.runner.on_the_spot.append(Refused(pause_s=0.2))
    refused = node.submit()
    await until(lambda: node.runner.runs[refused.id] == 1)
    other = await node.running()  # on the one slot that there is
    assert node.runner.runs[refused.id] == 1
    node.runner.finish(other)
    while node.runner.runs[refused.id] == 1:  # noqa: ASYNC110  only a first start is told
        await asyncio.sleep(0.01)
    node.runner.finish(refused)
    await ended(node, refused, TaskState.COMPLETED)
