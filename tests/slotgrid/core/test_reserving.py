"""A slot that is taken for a task before the task runs."""

import pytest

from slotgrid.core.dispatcher import Dispatcher
from slotgrid.core.lease import HANDED
from tests.slotgrid.core.fakes import FakeNode


def counts(dispatcher: Dispatcher) -> tuple[int, int]:
    return dispatcher.leased, dispatcher.lease_states()[HANDED]


async def test_a_reserved_slot_is_the_one_that_the_lease_finds(node: FakeNode) -> None:
    task = node.task()
    slot = node.dispatcher.reserve(task)
    assert slot is not None
    assert counts(node.dispatcher) == (1, 1)
    async with node.dispatcher.lease(task, wait_until=0.0) as lease:
        assert lease.slot == slot
        assert counts(node.dispatcher) == (1, 0)
    node.dispatcher.unreserve(task)
    node.assert_nothing_leaked()


async def test_where_the_task_would_have_to_wait_nothing_is_reserved(node: FakeNode) -> None:
    lease = await node.take()
    assert node.dispatcher.reserve(node.task()) is None
    node.dispatcher.give_back(lease)
    node.assert_nothing_leaked()


async def test_a_reserved_slot_that_nobody_came_for_goes_to_who_waits(node: FakeNode) -> None:
    task = node.task()
    assert node.dispatcher.reserve(task) is not None
    node.dispatcher.unreserve(task)
    node.dispatcher.unreserve(task)
    async with node.dispatcher.lease(node.task(), wait_until=0.0):
        pass
    node.assert_nothing_leaked()


async def test_a_reservation_is_for_its_own_task_alone(node: FakeNode) -> None:
    task, other = node.task(), node.task()
    assert node.dispatcher.reserve(task) is not None
    assert node.dispatcher.reserved(other) is None
    with pytest.raises(Exception, match="no slot became free"):
        async with node.dispatcher.lease(other, wait_until=0.0):
            pass
    node.dispatcher.unreserve(task)
    node.assert_nothing_leaked()


async def test_slots_tell_when_one_is_taken_or_comes_back(node: FakeNode) -> None:
    told: list[dict[str, int]] = []
    node.slots.on_change = lambda: told.append(node.slots.free)
    lease = await node.take()
    node.dispatcher.give_back(lease)
    assert told == [{"default": 0}, {"default": 1}]
