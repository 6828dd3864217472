"""Durable submissions: one, or many of which all are accepted or none."""

import asyncio
from typing import Any

import pytest

from slotgrid.core.errors import (
    FAULTS_LIMIT,
    Conflict,
    DatabaseUnavailable,
    Draining,
    InMaintenance,
    InvalidSubmission,
    NoWorker,
    ServiceError,
    UnknownFunction,
)
from slotgrid.core.node_state import NodeState
from slotgrid.core.submission import Submission
from slotgrid.core.task import Task
from slotgrid.core.task_parts import Source
from slotgrid.core.task_states import TaskState
from slotgrid.records.damaged_records import UnreadableRecord
from slotgrid.records.history import TaskFilter
from slotgrid.tasks import bulk
from tests.harness.calls import GIVE_UP_S
from tests.slotgrid.tasks.services import ADA, BOB, RunningService

ECHO = {"function": "echo", "input": {"value": 1}}
AWAY = NoWorker("no worker is there", retry_after_s=7, reason="lost")


def _async(**fields: Any) -> Submission:
    return Submission.parse({"mode": "async", **ECHO, **fields})


async def test_an_accepted_task_is_recorded_and_runs(durable: RunningService) -> None:
    receipt = await durable.tasks.submit(ADA, _async(), source=Source("schedule", "s"))
    task = await durable.tasks.wait(ADA, receipt.id, GIVE_UP_S)
    assert isinstance(task, Task)
    assert (task.state, task.owner) == (TaskState.COMPLETED, "ada")
    assert task.source == Source("schedule", "s")


async def test_receipts_tell_the_position_in_the_queue(durable: RunningService) -> None:
    held = [await durable.running() for _ in range(4)]
    first = await durable.tasks.submit(ADA, _async())
    urgent = await durable.tasks.submit(ADA, _async(priority=1))
    assert (first.status, first.queue_position) == (TaskState.QUEUED, 1)
    assert urgent.queue_position == 1
    assert first.to_json() == {"id": first.id, "status": "queued", "queue_position": 1}
    durable.runner.gate.set()
    await asyncio.gather(*(one.caller for one in held))


async def test_the_same_key_and_body_is_the_same_task(durable: RunningService) -> None:
    first = await durable.tasks.submit(ADA, _async(), key="k")
    await durable.tasks.wait(ADA, first.id, GIVE_UP_S)
    durable.forget(first.id)
    again = await durable.tasks.submit(ADA, _async(), key="k")
    assert (again.id, again.status, again.queue_position) == (first.id, TaskState.COMPLETED, 0)
    assert (await durable.tasks.submit(BOB, _async(), key="k")).id != first.id
    with pytest.raises(Conflict) as conflict:
        await durable.tasks.submit(ADA, _async(priority=2), key="k")
    assert conflict.value.task_id == first.id
    assert durable.refused == ["conflict"]


async def test_a_refused_submission_is_counted_and_not_recorded(durable: RunningService) -> None:
    with pytest.raises(UnknownFunction):
        await durable.tasks.submit(ADA, _async(function="nobody"))
    assert durable.refused == ["unknown-function"]
    with pytest.raises(InvalidSubmission):
        await durable.tasks.submit_many(ADA, [ECHO, {"function": "nobody"}])
    assert durable.refused == ["unknown-function", "invalid-request"]


async def test_all_of_many_are_accepted_in_order(durable: RunningService) -> None:
    items = [{"function": "echo", "input": {"value": number}} for number in range(25)]
    receipts = await durable.tasks.submit_many(ADA, items)
    for number, receipt in enumerate(receipts):
        task = await durable.tasks.wait(ADA, receipt.id, GIVE_UP_S)
        assert isinstance(task, Task)
        assert task.result == str(number).encode()
        assert task.submission.mode == "async"


async def test_a_key_belongs_to_the_whole_list(durable: RunningService) -> None:
    first = await durable.tasks.submit_many(ADA, [ECHO, ECHO], key="k")
    again = await durable.tasks.submit_many(ADA, [ECHO, ECHO], key="k")
    assert [one.id for one in again] == [one.id for one in first]
    with pytest.raises(Conflict):
        await durable.tasks.submit_many(ADA, [ECHO, ECHO, ECHO], key="k")


async def test_a_missing_worker_is_a_fault_of_time_and_not_of_the_items(
    durable: RunningService,
) -> None:
    durable.offer.refusal = AWAY
    with pytest.raises(NoWorker) as refusal:
        await durable.tasks.submit_many(ADA, [ECHO, ECHO])
    assert (refusal.value.retry_after_s, refusal.value.reason) == (7, "lost")
    assert [fault.pointer for fault in refusal.value.errors] == ["/tasks/0/place", "/tasks/1/place"]
    assert durable.refused == ["no-worker"]
    assert (await durable.tasks.list(ADA, TaskFilter(), limit=10, offset=0))[1] == 0


async def test_a_missing_worker_beside_other_faults_is_one_of_them(durable: RunningService) -> None:
    durable.offer.refusal = AWAY
    with pytest.raises(InvalidSubmission) as refusal:
        await durable.tasks.submit_many(ADA, [ECHO, {"function": 7}])
    assert [fault.pointer for fault in refusal.value.errors] == [
        "/tasks/0/place",
        "/tasks/1/function",
    ]


async def test_no_item_may_be_of_a_mode_that_is_not_durable(durable: RunningService) -> None:
    with pytest.raises(InvalidSubmission) as refusal:
        await durable.tasks.submit_many(ADA, [ECHO | {"mode": "sync"}])
    assert refusal.value.errors[0].pointer == "/tasks/0/mode"


@pytest.mark.parametrize("count", [0, bulk.BULK_MOST + 1])
async def test_the_number_of_items_is_bounded(service: RunningService, count: int) -> None:
    with pytest.raises(InvalidSubmission) as refusal:
        await service.tasks.submit_many(ADA, [ECHO] * count)
    assert refusal.value.errors[0].pointer == "/tasks"


async def test_maintenance_is_no_fault_of_an_item(durable: RunningService) -> None:
    durable.tasks._status.move_to(NodeState.MAINTENANCE)
    with pytest.raises(InMaintenance):
        await durable.tasks.submit_many(ADA, [ECHO])
    assert durable.refused == ["maintenance"]


async def test_a_drain_that_begins_between_two_items_ends_the_check(
    durable: RunningService,
) -> None:
    durable.offer.refusal = Draining("it drains")
    with pytest.raises(Draining):
        await durable.tasks.submit_many(ADA, [{"function": 7}, ECHO])
    assert durable.refused == ["draining"]


async def test_the_check_ends_when_there_are_enough_faults(durable: RunningService) -> None:
    with pytest.raises(InvalidSubmission) as refusal:
        await durable.tasks.submit_many(ADA, [{"function": "nobody"}] * 150)
    assert len(refusal.value.errors) == FAULTS_LIMIT
    assert "(and 99 more)" in refusal.value.detail


async def test_a_key_whose_task_waits_on_disk_gives_its_position(durable: RunningService) -> None:
    later = _async(not_before="2999-01-01T00:00:00Z")
    first = await durable.tasks.submit(ADA, later, key="k")
    again = await durable.tasks.submit(ADA, later, key="k")
    assert (again.id, again.status) == (first.id, TaskState.QUEUED)
    found = await durable.tasks.find(ADA, first.id)
    assert again.queue_position == (await durable.tasks.show(found))["queue_position"] is not None


@pytest.mark.parametrize("fault", [DatabaseUnavailable("away"), UnreadableRecord("x", "ada")])
async def test_a_position_that_cannot_be_found_out_is_no_error(
    durable: RunningService, monkeypatch: pytest.MonkeyPatch, fault: ServiceError
) -> None:
    later = _async(not_before="2999-01-01T00:00:00Z")
    first = await durable.tasks.submit(ADA, later, key="k")

    async def fail(_: str) -> None:
        raise fault

    monkeypatch.setattr(durable.tasks._repository, "find", fail)
    again = await durable.tasks.submit(ADA, later, key="k")
    assert (again.id, again.queue_position) == (first.id, None)


async def test_an_item_with_a_webhook_and_no_mode_is_of_mode_webhook() -> None:
    item = bulk.with_mode(ECHO | {"webhook": {"url": "https://example.com/"}})
    assert item["mode"] == "webhook"
    assert bulk.with_mode(7) == 7
