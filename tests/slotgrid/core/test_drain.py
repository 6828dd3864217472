import asyncio

import pytest

from slotgrid.core.drain import drain
from slotgrid.core.errors import TaskCancelled
from slotgrid.core.node_state import NodeState, NodeStatus
from slotgrid.core.task import Task
from slotgrid.core.task_states import TaskState
from tests.slotgrid.core.fakes import FakeNode, make_node, until


@pytest.fixture
def node() -> FakeNode:
    return make_node(pools={"default": 2})


@pytest.fixture
def status() -> NodeStatus:
    status = NodeStatus()
    status.move_to(NodeState.READY)
    return status


async def test_an_idle_node_is_drained_at_once(node: FakeNode, status: NodeStatus) -> None:
    told: list[Task] = []
    report = await drain(status, node.supervisor, deadline_s=3600, on_end=told.append)
    assert status.state is NodeState.DRAINING
    assert (dict(report.outcomes), report.cancelled, told) == ({}, (), [])


async def test_tasks_that_end_within_the_deadline_are_waited_for_and_told_by_outcome(
    node: FakeNode, status: NodeStatus
) -> None:
    good, bad = await node.running(), await node.running()
    waiting = await node.waiting()
    told: list[Task] = []
    draining = asyncio.create_task(
        drain(status, node.supervisor, deadline_s=3600, on_end=told.append)
    )
    await until(lambda: status.state is NodeState.DRAINING)
    node.runner.finish(good)
    node.runner.fail(bad)
    await node.runner.started(waiting)
    assert not draining.done()
    node.runner.finish(waiting)
    report = await draining
    assert report.outcomes == {"completed": 2, "failed": 1}
    assert report.cancelled == ()
    assert told == [good, bad, waiting]
    node.assert_nothing_leaked()


async def test_what_is_left_at_the_deadline_is_cancelled_and_its_slots_come_back(
    node: FakeNode, status: NodeStatus
) -> None:
    tasks = [await node.running(), await node.running(), await node.waiting()]
    told: list[Task] = []
    report = await drain(status, node.supervisor, deadline_s=0, on_end=told.append)
    assert report.outcomes == {"cancelled": 3}
    assert report.cancelled == tuple(task.id for task in tasks)
    assert told == tasks
    assert all(isinstance(task.error, TaskCancelled) for task in tasks)
    node.assert_nothing_leaked()


async def test_a_slot_that_is_still_cleaned_at_the_deadline_is_waited_for(
    node: FakeNode, status: NodeStatus
) -> None:
    node.runner.cleans = True
    task = await node.running()
    node.runner.finish(task)
    await task.wait_finished()
    draining = asyncio.create_task(
        drain(status, node.supervisor, deadline_s=0, on_end=lambda _: None)
    )
    await until(lambda: task.id in node.runner.cleaning)
    assert not draining.done()
    node.runner.cleaning[task.id].set_result(None)
    report = await draining
    assert report.outcomes == {TaskState.COMPLETED: 1}
    assert report.cancelled == ()
    node.assert_nothing_leaked()
