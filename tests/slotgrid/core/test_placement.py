"""Tasks of a function that needs no slot: they start at once, and are tasks like others."""

import orjson

from slotgrid.core.errors import FunctionFailed, TaskCancelled
from slotgrid.core.runner import AttemptFailed, Refused
from slotgrid.core.task_states import TaskState
from tests.slotgrid.core.fakes import (
    FLOW,
    FakeNode,
    ended,
    ended_with_others,
    function,
    make_node,
    terminal_events,
    until,
)


async def test_a_task_without_a_slot_starts_while_all_slots_are_busy() -> None:
    node = make_node(queue_limit=1)
    busy, waiting = await node.running(), await node.waiting()  # no room in the queue either
    flow = await node.running(FLOW, wait_s=0)
    assert (node.dispatcher.leased, node.slots.used, node.supervisor.running) == (1, 1, 1)
    assert set(node.supervisor.live) == {busy, waiting, flow}
    node.runner.finish(flow, b"7")
    await flow.wait_finished()
    answer = orjson.loads(terminal_events(flow)[0].payload)
    assert (answer["result"], answer["worker"]) == (7, "w1")
    assert [(attempt.worker, attempt.slot) for attempt in flow.attempts] == [("w1", None)]
    assert node.observer.count("started", flow) == node.observer.count("finished", flow) == 1
    node.runner.finish(busy)
    await node.runner.started(waiting)
    node.runner.finish(waiting)
    await ended(node, waiting, TaskState.COMPLETED)


async def test_a_task_without_a_slot_is_cancelled(node: FakeNode) -> None:
    flow = await node.running(FLOW)
    assert node.supervisor.cancel(flow, "ann cancelled it")
    await ended(node, flow, TaskState.CANCELLED)
    assert isinstance(flow.error, TaskCancelled)
    assert flow.error.reason == "ann cancelled it"


async def test_no_slot_is_cleaned_after_a_task_without_one(node: FakeNode) -> None:
    node.runner.cleans = True
    flow = await node.running(FLOW)
    node.runner.finish(flow)
    await ended(node, flow, TaskState.COMPLETED)
    assert not node.runner.cleaning


async def test_a_task_without_a_slot_retries_and_fails(node: FakeNode) -> None:
    flow = await node.running(FLOW)
    node.runner.fail(flow, retryable=True)
    await until(lambda: bool(node.naps.sleeping))
    assert flow.state is TaskState.QUEUED
    node.naps.wake()
    await node.runner.started(flow)
    node.runner.fail(flow, retryable=True)
    await ended(node, flow, TaskState.FAILED)
    assert isinstance(flow.error, FunctionFailed)
    assert [attempt.number for attempt in flow.attempts] == [1, 2]


async def test_a_refused_task_without_a_slot_starts_again(node: FakeNode) -> None:
    node.runner.on_the_spot += [Refused(), b'"ok"']
    flow = node.submit(FLOW)
    await ended(node, flow, TaskState.COMPLETED)
    assert len(flow.attempts) == 1


async def test_a_task_without_a_slot_is_released_while_it_backs_off(node: FakeNode) -> None:
    flow = await node.running(FLOW)
    node.runner.end(flow, AttemptFailed(FunctionFailed("it failed"), retryable=True))
    await until(lambda: bool(node.naps.sleeping))
    assert node.supervisor.release(flow)
    await node.supervisor.wait_idle()
    assert flow.state is TaskState.QUEUED
    assert node.observer.count("finished", flow) == 0


async def test_a_kind_without_a_runner_is_a_defect(node: FakeNode) -> None:
    task = node.submit(function("odd", kind="recipe", needs_slot=False))
    await ended_with_others(node, task, Exception)
    assert isinstance(node.observer.defects[0], KeyError)
