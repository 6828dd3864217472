"""Finding, listing, cancelling, retrying and redelivering, with and without `operate`."""

import asyncio

import pytest

from slotgrid.core.errors import Conflict, NotFound, TaskFinished, UnknownTask
from slotgrid.core.principal import Principal
from slotgrid.core.submission import Submission
from slotgrid.core.task import Task
from slotgrid.core.task_parts import Source
from slotgrid.core.task_states import TaskState
from slotgrid.records.damaged_records import UnreadableRecord
from slotgrid.records.history import TaskFilter
from slotgrid.records.tables import tasks
from slotgrid.records.task_repository import Record
from tests.harness.calls import GIVE_UP_S
from tests.slotgrid.tasks.services import ADA, BOB, OPERATOR, RunningService, running_service

ANY = TaskFilter()
WEBHOOK = {"url": "http://127.0.0.1:9/hook"}
NOBODYS = "0198c0de-7a3b-7c11-9d5e-2f6a1b0c4d3e"


async def _ids(
    service: RunningService, principal: Principal, wanted: TaskFilter = ANY
) -> list[str]:
    rows, total = await service.tasks.list(principal, wanted, limit=50, offset=0)
    assert total == len(rows)
    return [row["id"] for row in rows]


async def test_a_task_of_another_owner_is_unknown_everywhere(service: RunningService) -> None:
    held = await service.running(ADA)
    task_id, called = held.task.id, service.tasks
    for attempt in (
        called.find(BOB, task_id),
        called.wait(BOB, task_id, 1),
        called.follow(BOB, task_id),
        called.logs(BOB, task_id),
        called.cancel(BOB, task_id, note=service.note),
        called.retry(BOB, task_id),
        called.redeliver(BOB, task_id),
    ):
        with pytest.raises(UnknownTask) as unknown:
            await attempt
        assert unknown.value.task_id == task_id
    assert service.noted == []
    assert held.task.state is TaskState.RUNNING
    assert await called.find(ADA, task_id) is held.task
    assert await called.find(OPERATOR, task_id) is held.task


@pytest.mark.parametrize("task_id", [NOBODYS, "nonsense", "x" * 1000])
async def test_an_unknown_id_is_no_task(service: RunningService, task_id: str) -> None:
    with pytest.raises(UnknownTask):
        await service.tasks.find(OPERATOR, task_id)


async def test_lists_hold_what_the_principal_may_see(durable: RunningService) -> None:
    of_ada, of_bob = await durable.ended(ADA), await durable.ended(BOB)
    recorded = await durable.recorded(BOB)
    assert await _ids(durable, ADA) == [of_ada.id]
    assert await _ids(durable, BOB) == [recorded, of_bob.id]
    assert await _ids(durable, OPERATOR) == [recorded, of_bob.id, of_ada.id]
    assert await _ids(durable, ADA, TaskFilter(owner="bob")) == []
    assert await _ids(durable, ADA, TaskFilter(owner_only="bob")) == [of_ada.id]


async def test_a_wait_ends_with_the_task_or_with_the_time(service: RunningService) -> None:
    held = await service.running()
    assert await service.tasks.wait(ADA, held.task.id, 0.01) is held.task
    assert held.task.state is TaskState.RUNNING
    waiting = asyncio.create_task(service.tasks.wait(ADA, held.task.id, GIVE_UP_S))
    service.runner.gate.set()
    assert (await waiting).state is TaskState.COMPLETED


@pytest.mark.parametrize("principal", [ADA, OPERATOR])
async def test_a_cancel_returns_when_the_task_has_ended(
    service: RunningService, principal: Principal
) -> None:
    held = await service.running(ADA)
    found = await service.tasks.cancel(principal, held.task.id, note=service.note)
    assert found.state is TaskState.CANCELLED
    assert held.task.cancel_reason == f"{principal.name} cancelled it"
    assert service.noted == [held.task.id]
    with pytest.raises(TaskFinished):
        await service.tasks.cancel(principal, held.task.id, note=service.note)
    assert service.noted == [held.task.id]


async def _on_disk(service: RunningService, principal: Principal = ADA) -> str:
    """The id of a task that is queued on record, and not in memory."""
    later = {"not_before": "2999-01-01T00:00:00Z"}
    body = {"function": "greet", "mode": "webhook", "webhook": WEBHOOK, **later}
    return (await service.tasks.submit(principal, Submission.parse(body))).id


@pytest.mark.parametrize("principal", [ADA, OPERATOR])
async def test_a_task_on_disk_is_cancelled_there(
    durable: RunningService, principal: Principal
) -> None:
    task_id = await _on_disk(durable)
    assert isinstance(await durable.tasks.find(principal, task_id), Record)
    with pytest.raises(UnknownTask):
        await durable.tasks.cancel(BOB, task_id, note=durable.note)
    found = await durable.tasks.cancel(principal, task_id, note=durable.note)
    assert found.state is TaskState.CANCELLED
    assert durable.noted == [task_id]
    with pytest.raises(TaskFinished):
        await durable.tasks.cancel(principal, task_id, note=durable.note)


async def test_a_bulk_cancel_reaches_the_principals_own_tasks_only() -> None:
    async with running_service(durable=True, slots=8) as service:
        of_ada, of_bob = await service.running(ADA), await service.running(BOB)
        disk_of_ada, disk_of_bob = await _on_disk(service, ADA), await _on_disk(service, BOB)
        ids = await service.tasks.cancel_many(ADA, ANY, note=service.note)
        assert set(ids) == set(service.noted) == {of_ada.task.id, disk_of_ada}
        assert of_ada.task.state is TaskState.CANCELLED
        assert of_bob.task.state is TaskState.RUNNING
        assert await service.tasks.cancel_many(ADA, ANY, note=service.note) == []
        rest = await service.tasks.cancel_many(OPERATOR, ANY, note=service.note)
        assert set(rest) == {of_bob.task.id, disk_of_bob}


async def test_a_bulk_cancel_takes_filters_and_leaves_ended_tasks(service: RunningService) -> None:
    ended, held = await service.ended(), await service.running()
    for wanted in (
        TaskFilter(function="greet"),
        TaskFilter(status=frozenset({TaskState.COMPLETED})),
        TaskFilter(status=frozenset({TaskState.QUEUED})),
    ):
        assert await service.tasks.cancel_many(ADA, wanted, note=service.note) == []
    wanted = TaskFilter(status=frozenset({TaskState.RUNNING, TaskState.COMPLETED}))
    assert await service.tasks.cancel_many(ADA, wanted, note=service.note) == [held.task.id]
    assert ended.state is TaskState.COMPLETED


@pytest.mark.parametrize("principal", [ADA, OPERATOR])
async def test_a_retry_is_the_submission_of_a_finished_task(
    durable: RunningService, principal: Principal
) -> None:
    held = await durable.running(ADA)
    with pytest.raises(Conflict):
        await durable.tasks.retry(principal, held.task.id)
    durable.runner.gate.set()
    await held.caller
    submission, source = await durable.tasks.retry(principal, held.task.id)
    assert submission is held.task.submission
    assert source == Source("retry", held.task.id)
    recorded = await durable.recorded(ADA)
    submission, source = await durable.tasks.retry(principal, recorded)
    assert (submission.function, submission.mode) == ("greet", "async")
    assert source == Source("retry", recorded)


@pytest.mark.parametrize("principal", [ADA, OPERATOR])
async def test_only_a_finished_task_with_a_webhook_is_redelivered(
    durable: RunningService, principal: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    again: list[str] = []

    async def redeliver(task_id: str) -> None:
        again.append(task_id)

    assert durable.durability is not None
    monkeypatch.setattr(durable.durability.tasks, "redeliver", redeliver)
    body = {"function": "greet", "mode": "webhook", "webhook": WEBHOOK}
    receipt = await durable.tasks.submit(ADA, Submission.parse(body))
    with pytest.raises(Conflict):
        await durable.tasks.redeliver(principal, await durable.recorded(ADA))
    await durable.tasks.wait(ADA, receipt.id, GIVE_UP_S)
    for forgotten in (False, True):
        if forgotten:
            durable.forget(receipt.id)
        found = await durable.tasks.redeliver(principal, receipt.id)
        assert isinstance(found, Record) is forgotten
    assert again == [receipt.id] * 2


async def test_a_task_that_waits_is_not_redelivered(durable: RunningService) -> None:
    with pytest.raises(Conflict):
        await durable.tasks.redeliver(ADA, await _on_disk(durable))


async def test_a_damaged_record_of_another_owner_is_unknown(durable: RunningService) -> None:
    task_id = await durable.recorded(ADA)
    assert durable.durability is not None
    damaged = tasks.update().where(tasks.c.id == task_id).values(detail="{")
    await durable.durability.database.write(lambda c: c.execute(damaged))
    for principal in (ADA, OPERATOR):
        with pytest.raises(UnreadableRecord):
            await durable.tasks.find(principal, task_id)
    with pytest.raises(UnknownTask):
        await durable.tasks.find(BOB, task_id)


async def test_a_step_that_the_task_has_not_has_no_log(service: RunningService) -> None:
    task: Task = await service.ended()
    with pytest.raises(NotFound, match="_node, main"):
        await service.tasks.logs(ADA, task.id, step="other")
