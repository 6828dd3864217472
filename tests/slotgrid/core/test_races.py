"""Two things in the same turn of the loop: each race is made, none is waited for."""

import asyncio
from typing import Any

import pytest

from tests.slotgrid.core.fakes import (
    FakeNode,
    queued,
    wait_for,
)


async def test_a_cancel_between_the_grant_and_the_resumption_gives_the_slot_back(
    node: FakeNode,
) -> None:
    lease = await node.take()
    task = node.task()
    waiter = wait_for(node, task, wait_s=3600)
    await queued(node, task)
    node.dispatcher.give_back(lease)
    assert node.slots.used == 1  # granted already
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    node.assert_nothing_leaked()


async def test_a_slot_that_comes_free_passes_over_a_waiter_who_is_being_cancelled(
    node: FakeNode,
) -> None:
    lease = await node.take()
    leaving, staying = node.task(), node.task()
    waiters = [wait_for(node, leaving), wait_for(node, staying)]
    await queued(node, staying)
    waiters[0].cancel()
    node.dispatcher.give_back(lease)
    node.dispatcher.give_back(await waiters[1])
    with pytest.raises(asyncio.CancelledError):
        await waiters[0]
    node.assert_nothing_leaked()


async def test_a_wait_that_expires_after_the_grant_keeps_its_lease(node: FakeNode) -> None:
    lease = await node.take()
    task = node.task()
    waiter = wait_for(node, task)
    entry = await queued(node, task)
    node.dispatcher.give_back(lease)
    node.dispatcher.expire(entry)
    node.dispatcher.give_back(await waiter)
    node.assert_nothing_leaked()


@pytest.mark.parametrize("cancelled_first", [True, False])
async def test_a_wait_that_expires_and_is_cancelled_ends_as_cancelled(
    node: FakeNode, cancelled_first: bool
) -> None:
    lease = await node.take()
    task = node.task()
    waiter = wait_for(node, task)
    entry = await queued(node, task)
    if cancelled_first:
        waiter.cancel()
    node.dispatcher.expire(entry)
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    node.dispatcher.give_back(lease)
    node.assert_nothing_leaked()


async def test_a_wait_that_is_over_keeps_no_timer(
    node: FakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, timers = asyncio.get_running_loop(), []
    call_later = loop.call_later

    def noted(*call: Any) -> asyncio.TimerHandle:
        timers.append(call_later(*call))
        return timers[-1]

    monkeypatch.setattr(loop, "call_later", noted)
    lease = await node.take()
    task = node.task()
    waiter = wait_for(node, task, wait_s=3600)
    await queued(node, task)
    node.dispatcher.give_back(lease)
    node.dispatcher.give_back(await waiter)
    assert [timer.cancelled() for timer in timers] == [True]
    node.assert_nothing_leaked()


async def test_a_cancel_while_waiting_takes_the_task_out_of_the_queue(node: FakeNode) -> None:
    lease = await node.take()
    task = node.task()
    waiter = wait_for(node, task, wait_s=3600)
    await queued(node, task)
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    assert node.dispatcher.waiting == 0
    node.dispatcher.give_back(lease)
    node.assert_nothing_leaked()
