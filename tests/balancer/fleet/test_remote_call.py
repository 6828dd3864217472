"""The time limits of a task on a worker, and what a late answer may change."""

import asyncio
import time
from typing import Any

import pytest

from balancer.fleet import remote_call as call_module
from balancer.fleet.remote_call import LostCall, RemoteCall
from slotgrid.core.lease import CLEANING, HELD, STARTED, Lease
from slotgrid.core.slots import Slot
from slotgrid.core.submission import Submission
from slotgrid.core.task import Task
from tests.slotgrid.core.fakes import PLAIN


@pytest.fixture(autouse=True)
def short_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_module, "ANSWER_WITHIN_S", 0.05)
    monkeypatch.setattr(call_module, "OVERTIME_S", 0.1)


def a_call(*, timeout_s: float = 60.0) -> RemoteCall:
    session: Any = None  # nothing is sent on it
    task = Task(Submission(function=PLAIN.name), PLAIN, owner="somebody", input={})
    task.begin_attempt("w1", None)
    lease = Lease(Slot(1, "default", "w1", remote=True), PLAIN.cls, 0.0, HELD)
    return RemoteCall(task, lease, session, timeout_s=timeout_s)


async def outcome_of(call: RemoteCall) -> LostCall:
    async with asyncio.timeout(10):
        outcome = await call.outcome
    assert isinstance(outcome, LostCall)
    return outcome


async def test_a_call_that_nobody_answers_is_given_up_and_may_have_started() -> None:
    outcome = await outcome_of(a_call())
    assert outcome.unsure
    assert "has not answered" in outcome.reason


async def test_a_task_that_has_started_gets_its_own_time_and_some_more() -> None:
    began = asyncio.get_running_loop().time()
    call = a_call(timeout_s=0.1)
    call.begin(3)
    outcome = await outcome_of(call)
    assert not outcome.unsure
    assert asyncio.get_running_loop().time() - began >= 0.2


async def test_an_answer_that_came_while_the_balancer_stood_still_counts() -> None:
    call = a_call()
    time.sleep(0.5)  # noqa: ASYNC251 - the balancer stands still, longer than it waits
    await asyncio.sleep(0)  # timers that are due run before what has arrived is read
    call.begin(3)
    assert call.started
    assert not call.outcome.done()
    call.close()


async def test_a_call_that_has_ended_is_not_given_up() -> None:
    ended, waiting = a_call(), a_call()
    ended.close()
    await outcome_of(waiting)
    assert not ended.outcome.done()


async def test_a_call_starts_its_lease_and_has_the_workers_slot() -> None:
    call = a_call()
    assert call.unanswered
    call.begin(3)
    assert call.lease.state is STARTED
    assert call.task.attempts[-1].slot == 3
    call.close()


async def test_a_late_start_changes_nothing_of_a_task_that_was_given_up() -> None:
    call = a_call()
    call.lease.move_to(CLEANING)
    call.begin(3)
    assert call.lease.state is CLEANING
    assert call.task.attempts[-1].slot is None
    call.close()
