"""Tasks that an earlier process accepted, and tasks that this one lets go of."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from slotgrid.core.admission import Admission, CheckedInput
from slotgrid.core.await_completion import await_completion
from slotgrid.core.deadlines import iso, seconds_of
from slotgrid.core.errors import InvalidInput, InvalidSubmission, UnknownFunction
from slotgrid.core.event_log import EventLog
from slotgrid.core.fields import Webhook
from slotgrid.core.json_readers import PAIRS_MOST
from slotgrid.core.node_state import NodeState, NodeStatus
from slotgrid.core.offer import LocalOffer
from slotgrid.core.schema import Schema
from slotgrid.core.submission import Submission
from slotgrid.core.task_parts import Source
from slotgrid.core.task_states import TaskState
from tests.slotgrid.core.fakes import FakeCatalog, FakeNode, ended, function, make_node, until

PRICE = function(
    "price",
    input=Schema({"type": "object", "required": ["url"], "properties": {"url": {}}}),
)


@pytest.fixture
def admission() -> Admission:
    """One that accepts nothing new: what was accepted before is taken up all the same."""
    offer = LocalOffer(
        FakeCatalog(PRICE), node="w1", group="default", contract=1, pools={"default": 1}, labels=[]
    )
    status = NodeStatus()
    status.move_to(NodeState.READY)
    status.move_to(NodeState.MAINTENANCE)
    return Admission(offer, status, modes=["sync"])


def test_an_accepted_task_is_taken_up_under_its_id_also_in_maintenance(
    admission: Admission,
) -> None:
    submission = Submission.parse({"function": "price", "input": {"url": "u"}})
    task = admission.readmit(submission, owner="ann", source=Source("api"), id="the-id")
    assert (task.id, task.owner, task.input) == ("the-id", "ann", {"url": "u"})
    assert repr(task) == "Task('the-id', 'price', <TaskState.QUEUED: 'queued'>)"
    with pytest.raises(InvalidInput):
        changed = Submission.parse({"function": "price", "input": {}})
        admission.readmit(changed, owner="ann", source=Source("api"), id="the-id")


def test_a_function_is_found_by_name_with_its_modes_here(admission: Admission) -> None:
    assert admission.function("price") is PRICE
    assert admission.modes(PRICE) == ("sync",)
    with pytest.raises(UnknownFunction):
        admission.function("prise")


def test_an_input_that_was_checked_for_the_same_function_is_not_checked_again() -> None:
    offer = LocalOffer(
        FakeCatalog(PRICE), node="w1", group="default", contract=1, pools={"default": 1}, labels=[]
    )
    status = NodeStatus()
    status.move_to(NodeState.READY)
    admission = Admission(offer, status, modes=["sync"])
    submission = Submission.parse({"function": "price", "input": {"url": "u"}})
    assert admission.chosen(submission) is PRICE
    checked = CheckedInput.of(PRICE, submission.input)
    task = admission.admit(submission, owner="ann", checked=checked)
    assert task.input is checked.filled


async def test_a_restored_task_goes_on_counting(node: FakeNode) -> None:
    task = node.task()
    task.restore(created_at=1000.0, starts=2, first_event=7)
    assert (task.created_at, task.lost_starts) == (1000.0, 2)
    assert task.events.append("status", {}).id == 8
    assert repr(task.events) == "EventLog(last_id=8, closed=False)"


def test_a_task_knows_whether_its_log_has_more_than_its_record_tells(node: FakeNode) -> None:
    task = node.task()
    task.begin_attempt("w1", None)
    task.begin_on(3)
    before = task.has_lines
    task.log("a line of the node")
    assert (before, task.has_lines) == (False, True)
    later = node.task()
    later.restore(created_at=1000.0, starts=1, first_event=7)
    assert later.has_lines


async def test_a_queued_task_is_released_without_an_end(node: FakeNode) -> None:
    running = await node.running()
    waiting = await node.waiting()
    assert node.supervisor.release(waiting)
    assert not node.supervisor.release(running)
    await until(lambda: waiting not in node.supervisor.live)
    assert waiting.state is TaskState.QUEUED
    assert node.observer.count("finished", waiting) == 0
    assert not node.supervisor.release(waiting)
    node.runner.finish(running)
    await ended(node, running, TaskState.COMPLETED)


async def test_two_may_wait_for_an_idle_supervisor(node: FakeNode) -> None:
    task = await node.running()
    both = [asyncio.create_task(node.supervisor.wait_idle()) for _ in range(2)]
    await asyncio.sleep(0)
    node.runner.finish(task)
    await asyncio.gather(*both)
    node.assert_nothing_leaked()


async def test_a_task_leaves_the_queue_when_it_expires() -> None:
    node = make_node()
    running = await node.running()
    soon = datetime.now(UTC) + timedelta(seconds=0.2)
    webhook = {"url": "http://receiver.example/"}
    late = node.submit(mode="webhook", webhook=webhook, expires_at=soon.isoformat())
    later = node.submit(mode="webhook", webhook=webhook, expires_at=soon.isoformat(), wait_s=3600)
    await asyncio.gather(late.wait_finished(), later.wait_finished())
    assert {late.state, later.state} == {TaskState.FAILED}
    node.runner.finish(running)
    await ended(node, running, TaskState.COMPLETED)


class Listener:
    """A follower that never falls behind."""

    position = 0

    def __init__(self) -> None:
        self.told = 0

    def notify(self) -> None:
        self.told += 1

    def is_behind(self) -> bool:
        return False


async def test_a_follower_hears_of_events_that_come_after_it(node: FakeNode) -> None:
    listener, task = Listener(), node.task()
    assert not task.has_events
    task.follow(listener)
    task.events.append("status", {})
    assert (task.has_events, listener.told) == (True, 1)
    task.follow(None)
    task.events.append("status", {})
    assert listener.told == 1


async def test_the_events_of_a_task_that_spoke_end_with_done(node: FakeNode) -> None:
    task = await node.running()
    task.events.append("status", {})
    node.runner.finish(task)
    await task.wait_finished()
    assert [event.kind for event in task.events.after(0)] == ["status", "done"]


async def test_a_task_without_events_is_restored_without_a_log(node: FakeNode) -> None:
    task = node.task()
    task.restore(created_at=1000.0, starts=0, first_event=0)
    assert not task.has_events


def test_a_webhook_is_checked_before_the_task_is_accepted() -> None:
    asked: list[Webhook] = []
    hooked = function("hooked", modes=("webhook",))
    offer = LocalOffer(
        FakeCatalog(hooked), node="w1", group="default", contract=1, pools={"default": 1}, labels=[]
    )
    status = NodeStatus()
    status.move_to(NodeState.READY)
    admission = Admission(offer, status, modes=["webhook"], check_webhook=asked.append)
    given = {
        "function": "hooked",
        "mode": "webhook",
        "webhook": {"url": "https://receiver.example/"},
    }
    task = admission.admit(Submission.parse(given), owner="ann")
    assert asked == [task.submission.webhook]


async def test_a_waiter_that_is_just_leaving_is_not_woken(node: FakeNode) -> None:
    task = node.task()
    waiter = asyncio.create_task(task.wait_finished())
    await asyncio.sleep(0)
    waiter.cancel()
    task.announce_end()
    with pytest.raises(asyncio.CancelledError):
        await waiter


async def test_nobody_need_follow_an_event_log() -> None:
    events = EventLog()
    events.follow(None)
    assert events.append("status", {}).id == 1


async def test_uninterrupted_work_is_awaited_to_its_end() -> None:
    done = []

    async def work() -> None:
        await asyncio.sleep(0)
        done.append("work")

    await await_completion(work())
    assert done == ["work"]


def test_a_moment_is_read_as_it_was_written() -> None:
    assert seconds_of(str(iso(1000.25))) == 1000.25


def test_pairs_are_bounded() -> None:
    labels = {f"label-{number}": "x" for number in range(PAIRS_MOST + 1)}
    with pytest.raises(InvalidSubmission, match=f"at most {PAIRS_MOST} members"):
        Submission.parse({"function": "plain", "place": {"labels": labels}})
