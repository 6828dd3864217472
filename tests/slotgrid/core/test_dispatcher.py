import asyncio
import itertools
from typing import Any

import pytest

from slotgrid.core.dispatcher import Dispatcher
from slotgrid.core.errors import QueueFull, WaitExceeded
from slotgrid.core.gates import Gates
from slotgrid.core.lease import class_of
from slotgrid.core.priority_queue import TaskClass, TaskQueue
from slotgrid.core.slots import Slots
from slotgrid.core.task import Task
from tests.slotgrid.core.fakes import (
    PLAIN,
    FakeCatalog,
    FakeNode,
    ManualClock,
    function,
    hold,
    make_node,
    queued,
    until,
    wait_for,
)


async def test_a_free_slot_is_taken_without_waiting(node: FakeNode) -> None:
    async with node.dispatcher.lease(node.task(), wait_until=0.0) as lease:
        assert lease.slot.worker == "w1"
        assert node.dispatcher.leased == node.slots.used == 1
    node.assert_nothing_leaked()


async def test_a_body_that_raises_gives_its_slot_back(node: FakeNode) -> None:
    with pytest.raises(ZeroDivisionError):
        async with node.dispatcher.lease(node.task(), wait_until=None):
            raise ZeroDivisionError
    node.assert_nothing_leaked()


async def test_a_request_that_never_had_a_lease_gives_nothing_back(node: FakeNode) -> None:
    await node.dispatcher.lease(node.task(), wait_until=None).__aexit__(None, None, None)
    node.assert_nothing_leaked()


async def test_waiting_tasks_get_the_slot_in_their_order(node: FakeNode) -> None:
    lease = await node.take()
    order: list[int] = []

    async def use(task: Task) -> None:
        async with node.dispatcher.lease(task, wait_until=None):
            order.append(task.submission.priority)

    async with asyncio.TaskGroup() as group:
        for priority in (9, 5, 1):
            task = node.task(priority=priority)
            group.create_task(use(task))
            await queued(node, task)
        assert node.dispatcher.waiting_by_group() == {"default": 3}
        node.dispatcher.give_back(lease)
    assert order == [1, 5, 9]
    node.assert_nothing_leaked()


async def test_the_position_is_known_while_a_task_waits_and_0_otherwise(node: FakeNode) -> None:
    lease = await node.take()
    first, second = node.task(), node.task()
    waiters = [wait_for(node, first), wait_for(node, second)]
    await queued(node, second)
    assert [node.dispatcher.position(task) for task in (first, second)] == [1, 2]
    node.dispatcher.give_back(lease)
    assert [node.dispatcher.position(task) for task in (first, second)] == [0, 1]
    for waiter in waiters:
        node.dispatcher.give_back(await waiter)
    node.assert_nothing_leaked()


async def test_the_expected_wait_comes_from_how_long_slots_were_held(clock: ManualClock) -> None:
    node = make_node(pools={"default": 2}, clock=clock)
    default, nowhere = TaskClass("default", 1, "default"), TaskClass("default", 1, "nowhere")
    assert node.dispatcher.expected_wait_s(default, 1) is None
    assert node.dispatcher.expected_wait_s(nowhere, 1) is None
    lease = await node.take()
    clock.advance(10)
    node.dispatcher.give_back(lease)
    assert node.dispatcher.expected_wait_s(default, 1) == 5.0
    lease = await node.take()
    clock.advance(20)
    node.dispatcher.give_back(lease)
    assert node.dispatcher.expected_wait_s(default, 4) == 22.0  # the mean moved by a tenth


async def test_a_full_queue_refuses_at_once_and_says_for_how_long(clock: ManualClock) -> None:
    node = make_node(queue_limit=1, clock=clock)
    lease = await node.take()
    clock.advance(7)
    node.dispatcher.give_back(lease)
    lease = await node.take()
    waiter = wait_for(node, node.task())
    await until(lambda: node.dispatcher.waiting == 1)
    with pytest.raises(QueueFull, match="1 tasks are waiting") as caught:
        await hold(node.dispatcher.lease(node.task(), wait_until=None))
    assert caught.value.retry_after_s == 7
    assert caught.value.expected_wait_s == 7.0
    node.dispatcher.give_back(lease)
    node.dispatcher.give_back(await waiter)
    node.assert_nothing_leaked()


async def test_the_time_to_stay_away_from_a_full_queue_is_bounded(clock: ManualClock) -> None:
    node = make_node(queue_limit=0, clock=clock)
    lease = await node.take()
    with pytest.raises(QueueFull) as caught:
        await hold(node.dispatcher.lease(node.task(), wait_until=None))
    assert caught.value.retry_after_s == 1  # nothing is known yet
    node.dispatcher.give_back(lease)
    node.assert_nothing_leaked()


async def test_who_may_not_wait_gets_a_free_slot_or_an_error(node: FakeNode) -> None:
    lease = await node.take()
    with pytest.raises(WaitExceeded) as caught:
        await hold(node.dispatcher.lease(node.task(), wait_until=0.0))
    assert caught.value.position == 1
    assert caught.value.reason == "every slot is busy"
    assert caught.value.retry_after_s is None
    node.dispatcher.give_back(lease)
    node.dispatcher.give_back(await hold(node.dispatcher.lease(node.task(), wait_until=0.0)))
    node.assert_nothing_leaked()


async def test_a_wait_in_vain_says_what_it_waited_for(clock: ManualClock) -> None:
    gated = function("gated", requires=("db",))
    node = make_node(gated, clock=clock)
    lease = await node.take()
    clock.advance(3)
    node.dispatcher.give_back(lease)
    node.services_down.add("db")
    with pytest.raises(WaitExceeded) as caught:
        await hold(node.dispatcher.lease(node.task(gated), wait_until=0.0))
    assert caught.value.reason == "the service db is down"
    assert caught.value.retry_after_s == 3
    node.slots.held = "memory is short"
    with pytest.raises(WaitExceeded) as caught:
        await hold(node.dispatcher.lease(node.task(), wait_until=0.0))
    assert caught.value.reason == "memory is short"
    node.slots.held = None
    node.assert_nothing_leaked()


async def test_a_closed_gate_delays_only_its_own_function() -> None:
    gated = function("gated", requires=("db",))
    node = make_node(gated)
    node.services_down.add("db")
    blocked = node.task(gated, priority=1)
    waiter = wait_for(node, blocked)
    await queued(node, blocked)
    async with node.dispatcher.lease(node.task(priority=9), wait_until=0.0):
        assert node.dispatcher.leased == 1
    node.services_down.clear()
    node.dispatcher.wake()
    node.dispatcher.give_back(await waiter)
    node.assert_nothing_leaked()


async def test_a_full_pool_delays_only_its_own_tasks() -> None:
    node = make_node(pools={"default": 1, "logins": 1})
    held = await hold(node.dispatcher.lease(node.task(place={"pool": "logins"}), wait_until=0.0))
    blocked = node.task(place={"pool": "logins"}, priority=1)
    waiter = wait_for(node, blocked)
    await queued(node, blocked)
    async with node.dispatcher.lease(node.task(priority=9), wait_until=0.0) as lease:
        assert lease.slot.pool == "default"
    assert node.dispatcher.position(blocked) == 1
    node.dispatcher.give_back(held)
    node.dispatcher.give_back(await waiter)
    node.assert_nothing_leaked()


async def test_concurrency_is_held_and_its_next_task_starts_when_one_leaves() -> None:
    single = function("single", concurrency=1)
    node = make_node(single, pools={"default": 3})
    lease = await hold(node.dispatcher.lease(node.task(single), wait_until=0.0))
    task = node.task(single)
    waiter = wait_for(node, task)
    await queued(node, task)
    assert node.slots.used == 1
    node.dispatcher.give_back(lease)
    node.dispatcher.give_back(await waiter)
    node.assert_nothing_leaked()


async def test_a_newcomer_does_not_pass_those_of_its_class_who_wait(clock: ManualClock) -> None:
    node = make_node(clock=clock)
    node.slots.held = "memory is short"
    first = node.task()
    waiter = wait_for(node, first)
    await queued(node, first)
    node.slots.held = None  # and nobody has said so yet
    assert node.dispatcher.take_now(class_of(node.task())) is None
    node.dispatcher.wake()
    node.dispatcher.give_back(await waiter)
    node.assert_nothing_leaked()


async def test_what_waits_for_slots_that_are_gone_is_thought_over_and_keeps_its_turn() -> None:
    node = make_node(pools={"default": 1})
    lease = await node.take()
    gone, stays = function("gone", pool="vanished"), function("stays", pool="vanished")
    tasks = [node.task(gone), node.task(stays), node.task()]
    waiters = [wait_for(node, task) for task in tasks]
    for task in tasks:
        await queued(node, task)

    def resolve_again(task: Task) -> None:
        assert task is not tasks[2]
        if task.spec is gone:
            task.spec = PLAIN

    node.dispatcher.reclassify(resolve_again)
    assert [node.dispatcher.position(task) for task in tasks] == [1, 1, 2]
    node.dispatcher.give_back(lease)
    for waiter in (waiters[0], waiters[2]):
        node.dispatcher.give_back(await waiter)
    waiters[1].cancel()
    await asyncio.wait({waiters[1]})
    node.assert_nothing_leaked()


# Rates: a window opens by time alone.


async def test_a_task_held_back_by_a_rate_starts_when_its_window_opens() -> None:
    paced = function("paced", rate=(1, 0.02))
    loop = asyncio.get_running_loop()
    node = make_node(paced, clock=loop.time)
    starts = []
    for _ in range(4):
        async with node.dispatcher.lease(node.task(paced), wait_until=None) as lease:
            starts.append(lease.taken_at)
    # The lease is dated a moment after the gate was passed, so the gaps are not exact here.
    assert all(later - sooner > 0.015 for sooner, later in itertools.pairwise(starts))
    node.assert_nothing_leaked()


class ImpatientClock(ManualClock):
    """Passes the given moment between two looks at it."""

    def __init__(self) -> None:
        super().__init__()
        self.jumps: list[float] = []

    def __call__(self) -> float:
        now = self.now
        if self.jumps:
            self.advance(self.jumps.pop(0))
        return now


async def test_a_window_that_opens_between_two_looks_strands_nobody() -> None:
    clock = ImpatientClock()
    paced = function("paced", rate=(1, 60.0))
    catalog = FakeCatalog(PLAIN, paced)
    slots = Slots({"default": 1}, worker="w1")
    gates = Gates(catalog, lambda _: True, clock=clock)
    dispatcher = Dispatcher(TaskQueue(limit=9, ageing_s=30.0), slots, gates, clock=clock)
    node = make_node(paced)
    async with dispatcher.lease(node.task(paced), wait_until=0.0):
        pass
    waiter = asyncio.create_task(hold(dispatcher.lease(node.task(paced), wait_until=None)))
    await until(lambda: dispatcher.waiting == 1)
    clock.jumps = [60.0]  # closed at the first look, open at the second
    dispatcher.wake()
    dispatcher.give_back(await asyncio.wait_for(waiter, timeout=5))
    assert slots.used == 0


@pytest.mark.parametrize(
    ("fields", "pool", "gate"),
    [
        ({}, "default", None),
        ({"concurrency": 1}, "default", "f"),
        ({"rate": (1, 1.0)}, "default", "f"),
        ({"requires": ("db",)}, "default", "f"),
        ({"pool": "logins"}, "logins", None),
    ],
)
def test_the_class_says_which_pool_and_gate_a_task_waits_for(
    fields: dict[str, Any], pool: str, gate: str | None, node: FakeNode
) -> None:
    cls = class_of(node.task(function("f", **fields)))
    assert (cls.pool, cls.gate) == (pool, gate)


def test_the_place_asked_for_goes_before_the_functions_own_pool(node: FakeNode) -> None:
    cls = class_of(node.task(function("f", pool="logins"), place={"pool": "default"}))
    assert cls.pool == "default"


def slot_task(node: FakeNode, number: int, **fields: Any) -> Task:
    """A task for one slot of the pool `logins`."""
    return node.task(place={"pool": "logins", "slot": number}, **fields)


async def test_a_task_for_a_slot_waits_for_that_slot_and_delays_no_other() -> None:
    node = make_node(pools={"default": 1, "logins": 3}, persistent={"logins"})
    dispatcher = node.dispatcher
    one = await hold(dispatcher.lease(slot_task(node, 1), wait_until=0.0))
    assert one.slot.number == 1
    waiter = wait_for(node, waiting := slot_task(node, 1))
    await queued(node, waiting)
    zero = await hold(dispatcher.lease(slot_task(node, 0), wait_until=0.0))
    any_other = await hold(dispatcher.lease(node.task(place={"pool": "logins"}), wait_until=0.0))
    assert (zero.slot.number, any_other.slot.number) == (0, 2)
    dispatcher.give_back(zero)
    dispatcher.give_back(any_other)
    assert not waiter.done()
    assert dispatcher.position(waiting) == 1
    dispatcher.give_back(one)
    lease = await waiter
    assert lease.slot.number == 1
    dispatcher.give_back(lease)
    node.assert_nothing_leaked()


async def test_a_freed_slot_goes_to_the_first_task_that_can_use_it() -> None:
    node = make_node(pools={"default": 1, "logins": 2}, persistent={"logins"})
    held = [await hold(node.dispatcher.lease(slot_task(node, n), wait_until=0.0)) for n in (0, 1)]
    tasks = [slot_task(node, 1), node.task(place={"pool": "logins"}), slot_task(node, 0)]
    waiters = []
    for task in tasks:
        waiters.append(wait_for(node, task))
        await queued(node, task)
    node.dispatcher.give_back(held[0])
    second = await waiters[1]  # it came before the third
    assert second.slot.number == 0
    node.dispatcher.give_back(held[1])
    assert (await waiters[0]).slot.number == 1
    node.dispatcher.give_back(second)
    third = await waiters[2]
    assert third.slot.number == 0
    for lease in (third, waiters[0].result()):
        node.dispatcher.give_back(lease)
    node.assert_nothing_leaked()


async def test_the_expected_wait_for_a_slot_is_that_of_its_own_tasks(clock: ManualClock) -> None:
    node = make_node(pools={"default": 1, "logins": 4}, persistent={"logins"}, clock=clock)
    lease = await hold(node.dispatcher.lease(slot_task(node, 1), wait_until=0.0))
    clock.advance(8.0)
    node.dispatcher.give_back(lease)
    for labels in ({}, {"zone": "b"}):
        cls = class_of(node.task(place={"pool": "logins", "slot": 1, "labels": labels}))
        assert node.dispatcher.expected_wait_s(cls, 2) == 16.0
    assert node.dispatcher.expected_wait_s(class_of(slot_task(node, 2)), 2) is None


async def test_no_more_callers_wait_for_a_slot_than_its_pool_allows() -> None:
    node = make_node(
        pools={"default": 1, "logins": 2}, persistent={"logins"}, queue_limits={"logins": 1}
    )
    dispatcher = node.dispatcher
    lease = await hold(dispatcher.lease(slot_task(node, 1), wait_until=0.0))
    waiter = wait_for(node, first := slot_task(node, 1))
    await queued(node, first)
    labelled = node.task(place={"pool": "logins", "slot": 1, "worker": "w1"})
    for late in (slot_task(node, 1), labelled):
        with pytest.raises(QueueFull) as caught:
            await hold(dispatcher.lease(late, wait_until=None))
        assert 'slot 1 of the pool "logins"' in caught.value.detail
        assert caught.value.detail.endswith("the limit is 1")
        assert caught.value.to_problem()["retry_after_s"] == 1
    zero = await hold(dispatcher.lease(slot_task(node, 0), wait_until=0.0))
    others = []
    for place in ({"pool": "logins"}, {"pool": "logins"}, {"pool": "logins", "slot": 0}):
        other = node.task(place=place)
        others.append(wait_for(node, other))
        await queued(node, other)
    dispatcher.give_back(lease)
    dispatcher.give_back(zero)
    for each in [waiter, *others]:
        dispatcher.give_back(await each)
    node.assert_nothing_leaked()


async def test_durable_tasks_count_and_have_room_for_one_more_on_a_free_slot() -> None:
    node = make_node(
        pools={"default": 1, "logins": 2}, persistent={"logins"}, queue_limits={"logins": 2}
    )
    dispatcher, durable = node.dispatcher, 0
    dispatcher.slot_queues.durable_waiting = lambda place: durable * (place.slot == 1)
    cls = class_of(slot_task(node, 1))
    dispatcher.check_slot_queue(cls, 3)
    with pytest.raises(QueueFull, match=r"^0 tasks are waiting"):
        dispatcher.check_slot_queue(cls, 4)
    lease = await hold(dispatcher.lease(slot_task(node, 1), wait_until=0.0))
    dispatcher.check_slot_queue(cls, 2)
    durable = 2
    for attempt in (
        lambda: dispatcher.check_slot_queue(cls, 1),
        lambda: dispatcher.enqueue(slot_task(node, 1), cls),
    ):
        with pytest.raises(QueueFull, match=r"^2 tasks are waiting"):
            attempt()
    dispatcher.check_slot_queue(class_of(slot_task(node, 0)), 3)
    dispatcher.check_slot_queue(class_of(node.task(place={"pool": "logins"})), 1000)
    dispatcher.give_back(lease)
    node.assert_nothing_leaked()


async def test_a_task_that_a_slot_refused_returns_to_a_queue_that_is_full() -> None:
    node = make_node(
        pools={"default": 1, "logins": 1},
        persistent={"logins"},
        queue_limits={"logins": 1},
    )
    lease = await hold(node.dispatcher.lease(slot_task(node, 0), wait_until=0.0))
    waiter = wait_for(node, waiting := slot_task(node, 0))
    await queued(node, waiting)
    back = slot_task(node, 0)
    back.begin_attempt("w1", None, "logins")
    back.undo_attempt()
    returned = wait_for(node, back)
    await queued(node, back)
    node.dispatcher.give_back(lease)
    for each in (waiter, returned):
        node.dispatcher.give_back(await each)
    node.assert_nothing_leaked()
