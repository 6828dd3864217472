"""Durable tasks hold a slot while their start is written down: not all slots, in company."""

import asyncio

import pytest

from slotgrid.core.lease import Lease, class_of
from slotgrid.core.queue import TaskClass
from slotgrid.core.unrecorded import COMPANY_S
from tests.slotgrid.core.fakes import FakeNode, ManualClock, make_node, queued, wait_for

HOOK = {"url": "https://example.org/hook"}


@pytest.fixture
def four(clock: ManualClock) -> FakeNode:
    return make_node(pools={"default": 4}, clock=clock)


def take(node: FakeNode, mode: str = "async") -> Lease | None:
    return node.dispatcher.take_now(class_of(node.task(mode=mode)))


def in_company(node: FakeNode) -> None:
    """A task that needs no database came and went."""
    lease = take(node, "sync")
    assert lease is not None
    node.dispatcher.give_back(lease)


def durable_leases(node: FakeNode, count: int) -> list[Lease]:
    leases = [take(node) for _ in range(count)]
    return [lease for lease in leases if lease is not None]


async def test_among_themselves_durable_tasks_use_every_slot(four: FakeNode) -> None:
    assert len(durable_leases(four, 5)) == 4


async def test_unrecorded_starts_leave_half_of_the_slots_to_who_needs_no_database(
    four: FakeNode,
) -> None:
    in_company(four)
    assert len(durable_leases(four, 4)) == 2
    assert take(four, "sync") is not None
    assert take(four, "stream") is not None
    assert take(four, "sync") is None


async def test_a_start_on_record_makes_room_for_the_next_by_the_order_of_the_queue(
    four: FakeNode,
) -> None:
    in_company(four)
    leases = durable_leases(four, 2)
    later, sooner = four.task(mode="async", priority=9), four.task(mode="webhook", webhook=HOOK)
    waiting = {task.id: wait_for(four, task) for task in (later, sooner)}
    for task in (later, sooner):
        await queued(four, task)
    leases[0].started()
    leases.append(await waiting[sooner.id])
    assert four.dispatcher.position(later) == 1
    leases[0].started()  # said twice, it makes room once
    assert four.dispatcher.position(later) == 1
    leases[1].started()
    leases.append(await waiting[later.id])
    for lease in leases:
        four.dispatcher.give_back(lease)
    four.assert_nothing_leaked()


async def test_a_start_that_could_not_be_recorded_makes_room_as_well(four: FakeNode) -> None:
    in_company(four)
    first, _ = durable_leases(four, 2)
    waiting = four.task(mode="async")
    lease = wait_for(four, waiting)
    await queued(four, waiting)
    four.dispatcher.give_back(first)
    assert (await lease).slot is not None


async def test_a_running_durable_task_is_not_counted(four: FakeNode) -> None:
    in_company(four)
    for lease in durable_leases(four, 2):
        lease.started()
    assert len(durable_leases(four, 4)) == 2


async def test_one_slot_is_for_all(clock: ManualClock) -> None:
    node = make_node(pools={"default": 1}, clock=clock)
    in_company(node)
    assert len(durable_leases(node, 1)) == 1


async def test_pools_are_counted_apart(clock: ManualClock) -> None:
    node = make_node(pools={"default": 2, "other": 2}, clock=clock)
    in_company(node)
    assert len(durable_leases(node, 2)) == 1
    elsewhere = class_of(node.task(mode="async", place={"pool": "other"}))
    assert elsewhere == TaskClass("default", 1, "other", elsewhere.place, durable=True)
    assert node.dispatcher.take_now(elsewhere) is not None


async def test_without_company_they_use_every_slot_again(
    four: FakeNode, clock: ManualClock
) -> None:
    in_company(four)
    assert len(durable_leases(four, 4)) == 2
    clock.advance(COMPANY_S + 0.001)
    assert len(durable_leases(four, 4)) == 2


async def test_what_waits_for_starts_overtakes_nobody_once_they_are_recorded(
    clock: ManualClock,
) -> None:
    """A durable task keeps its place among tasks of mode sync: it comes before those after it."""
    node = make_node(pools={"default": 2}, clock=clock)
    held = take(node, "sync")
    assert held is not None
    (starting,) = durable_leases(node, 2)
    durable, sync = node.task(mode="async"), node.task()
    durable_lease, sync_lease = wait_for(node, durable), wait_for(node, sync)
    await queued(node, sync)
    starting.started()
    node.dispatcher.give_back(starting)
    assert (await durable_lease).cls.durable
    assert not sync_lease.done()
    node.dispatcher.give_back(held)
    assert not (await asyncio.wait_for(sync_lease, 1)).cls.durable
