import asyncio
from typing import Any

import pytest

from balancer.fleet import patience
from balancer.fleet.call import Call, Lost
from balancer.fleet.patience import Patience
from slotgrid.core.slots import Slot
from slotgrid.core.submission import Submission
from slotgrid.core.task import Task
from tests.slotgrid.core.fakes import PLAIN


@pytest.fixture(autouse=True)
def short_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(patience, "ANSWER_WITHIN_S", 0.05)
    monkeypatch.setattr(patience, "OVERTIME_S", 0.1)


def a_call() -> Call:
    link: Any = None  # nothing is sent on it
    task = Task(Submission(function=PLAIN.name), PLAIN, owner="somebody", input={})
    return Call(task, Slot(1, "default", "w1"), link)


async def outcome_of(call: Call) -> Lost:
    async with asyncio.timeout(10):
        outcome = await call.outcome
    assert isinstance(outcome, Lost)
    return outcome


async def test_a_call_that_nobody_answers_is_given_up_and_may_have_started() -> None:
    waits, call = Patience(), a_call()
    waits.begin(call, timeout_s=60)
    outcome = await outcome_of(call)
    assert outcome.unsure
    assert "did not answer" in outcome.reason


async def test_a_task_that_has_started_gets_its_own_time_and_some_more() -> None:
    waits, call = Patience(), a_call()
    call.started = True
    began = asyncio.get_running_loop().time()
    waits.begin(call, timeout_s=0.1)
    outcome = await outcome_of(call)
    assert not outcome.unsure
    assert asyncio.get_running_loop().time() - began >= 0.2


async def test_who_has_ended_is_not_waited_for_and_nobody_is_looked_at_any_more() -> None:
    waits, ended, waiting = Patience(), a_call(), a_call()
    waits.begin(ended, timeout_s=60)
    waits.begin(waiting, timeout_s=60)
    waits.end(ended)
    await outcome_of(waiting)
    waits.end(waiting)
    async with asyncio.timeout(10):
        while waits._looking:  # noqa: ASYNC110  a timer calls nobody
            await asyncio.sleep(0.01)
    assert not ended.outcome.done()
