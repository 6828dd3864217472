"""The states of a lease, from the dispatcher's choice to the clean slot."""

import pytest

from slotgrid.core.lease import CLEANING, HANDED, HELD, MOVES, STARTED, LeaseState
from slotgrid.core.task import IllegalMove
from tests.slotgrid.core.fakes import FakeNode, queued, until, wait_for


def test_every_state_lists_its_moves() -> None:
    assert MOVES.keys() == set(LeaseState)


async def test_a_lease_refuses_a_move_that_is_not_listed(node: FakeNode) -> None:
    lease = await node.take()
    with pytest.raises(IllegalMove, match="handed -> started"):
        lease.move_to(STARTED)
    assert lease.state is HANDED


async def test_a_lease_is_handed_until_its_task_resumes(node: FakeNode) -> None:
    first = await node.take()
    task = node.task()
    waiter = wait_for(node, task)
    await queued(node, task)
    node.dispatcher.give_back(first)
    assert node.dispatcher.lease_states() == {HANDED: 1}
    lease = await waiter
    assert node.dispatcher.lease_states() == {HELD: 1}
    node.dispatcher.give_back(lease)
    node.assert_nothing_leaked()


async def test_a_lease_starts_with_the_run_and_is_cleaned_after_it(node: FakeNode) -> None:
    node.runner.cleans = True
    task = await node.running()
    assert node.dispatcher.lease_states() == {STARTED: 1}
    node.runner.finish(task)
    await task.wait_finished()
    await until(lambda: task.id in node.runner.cleaning)
    assert node.dispatcher.lease_states() == {CLEANING: 1}
    node.runner.cleaning[task.id].set_result(None)
    await node.supervisor.wait_idle()
    assert not node.dispatcher.lease_states()
    node.assert_nothing_leaked()


async def test_a_lease_ends_once(node: FakeNode) -> None:
    lease = await node.take()
    node.dispatcher.give_back(lease)
    with pytest.raises(KeyError):
        node.dispatcher.give_back(lease)
    node.assert_nothing_leaked()
