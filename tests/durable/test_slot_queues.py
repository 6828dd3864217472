"""The limit of the tasks that wait for one slot of a persistent pool, with durable ones."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from slotgrid.core.fields import Place
from slotgrid.core.slots import Slots
from tests.harness.calls import Answer
from tests.harness.in_process.durable_worker import accepted, durable_worker, finished
from tests.harness.in_process.worker import RunningWorker
from tests.harness.waiting import until

POOLS: dict[str, Any] = {"SLOTS": 4, "POOLS": "default=1,logins=3"}
ON_1: dict[str, Any] = {"pool": "logins", "slot": 1}
LIMIT = 2


@pytest.fixture(autouse=True)
def persistent_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the pool `logins` of workers in this process persistent; two may wait for a slot."""

    def slots(pools: Any, **fields: Any) -> Slots:
        fields |= {"persistent": {"logins"}, "queue_limits": {"logins": LIMIT}}
        return Slots(pools, **fields)

    monkeypatch.setattr("worker.app.Slots", slots)


@asynccontextmanager
async def slot_1_busy(worker: RunningWorker, folder: Path) -> AsyncIterator[None]:
    """Slot 1 runs a task for as long as the block."""
    gate, started = folder / "gate", folder / "started"
    given = {"until": str(gate), "started": str(started)}
    holder = asyncio.create_task(worker.submit("wait", input=given, place=ON_1))
    await until(started.exists)
    try:
        yield
    finally:
        gate.touch()
        assert (await holder).status == 200
        gate.unlink()
        started.unlink()


async def say(worker: RunningWorker, **fields: Any) -> Answer:
    """Submit a task for slot 1; a durable one unless the fields say otherwise."""
    given = {"mode": "async", "place": ON_1, "input": {"text": "said"}} | fields
    return await worker.submit("say", **given)


def assert_full(answer: Answer, waiting: int = LIMIT, of: str = "") -> None:
    assert answer.status == 503, answer.body
    assert answer.json["type"] == "/problems/queue-full"
    assert answer.json["detail"] == (
        f'{waiting} tasks are waiting for slot 1 of the pool "logins"{of}, the limit is {LIMIT}'
    )
    assert int(answer.headers["Retry-After"]) >= 1


async def test_durable_tasks_and_callers_share_the_limit_of_a_slot(tmp_path: Path) -> None:
    async with durable_worker(tmp_path, **POOLS) as worker:
        async with slot_1_busy(worker, tmp_path):
            ids = [await accepted(worker, "say", place=ON_1, input={"text": "a"})]
            caller = asyncio.create_task(say(worker, mode="sync"))
            await until(lambda: worker.worker.dispatcher.waiting == 2)
            assert_full(await say(worker))
            assert_full(await say(worker, mode="sync"))
            named = await say(worker, place=ON_1 | {"worker": "test-worker"})
            assert_full(named, of=' of the worker "test-worker"')
            for place in ({"pool": "logins"}, {"pool": "logins", "slot": 0}, {}):
                assert (await say(worker, mode="sync", place=place)).status == 200
                ids.append(await accepted(worker, "say", place=place, input={"text": "b"}))
        assert (await caller).status == 200
        for task_id in ids:
            assert (await finished(worker, task_id))["status"] == "completed"
        assert (await say(worker, mode="sync")).status == 200
        assert worker.worker.durability.tasks.waiting_for(Place(**ON_1)) == 0
        await worker.idle()


async def test_of_many_at_once_no_more_are_accepted_than_may_wait(tmp_path: Path) -> None:
    async with durable_worker(tmp_path, **POOLS) as worker:
        async with slot_1_busy(worker, tmp_path):
            answers = await asyncio.gather(*(say(worker) for _ in range(12)))
            ids = [answer.json["id"] for answer in answers if answer.status == 202]
            assert len(ids) == LIMIT
            for answer in answers:
                if answer.status != 202:
                    assert_full(answer)
        for task_id in ids:
            assert (await finished(worker, task_id))["status"] == "completed"
        await worker.idle()


async def test_a_free_slot_takes_one_task_beyond_those_that_wait(tmp_path: Path) -> None:
    async with durable_worker(tmp_path, **POOLS) as worker:
        gate = tmp_path / "gate"
        answers = await asyncio.gather(
            *(
                worker.submit("wait", mode="async", place=ON_1, input={"until": str(gate)})
                for _ in range(12)
            )
        )
        ids = [answer.json["id"] for answer in answers if answer.status == 202]
        assert len(ids) == LIMIT + 1
        gate.touch()
        for task_id in ids:
            assert (await finished(worker, task_id))["status"] == "completed"
        await worker.idle()


async def test_tasks_on_disk_count_and_leave_room_when_they_are_cancelled(tmp_path: Path) -> None:
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    async with durable_worker(tmp_path, **POOLS) as worker:
        async with slot_1_busy(worker, tmp_path):
            ids = [(await say(worker, not_before=later)).json["id"] for _ in range(LIMIT)]
            assert_full(await say(worker))
            assert (await worker.request("POST", f"/tasks/{ids[0]}/cancel")).status == 200
            replaced = await accepted(worker, "say", place=ON_1, input={"text": "a"})
            assert_full(await say(worker))
            assert (await worker.request("POST", f"/tasks/{replaced}/cancel")).status == 200
            assert (await say(worker)).status == 202
        await worker.idle()


async def test_of_a_bulk_that_is_too_long_for_a_slot_nothing_is_accepted(tmp_path: Path) -> None:
    async with durable_worker(tmp_path, **POOLS) as worker:
        async with slot_1_busy(worker, tmp_path):
            one = {"function": "say", "input": {"text": "a"}, "place": ON_1}
            other = {"function": "say", "input": {"text": "a"}, "place": {"pool": "logins"}}
            body = {"tasks": [one, other, one, other, one]}
            assert_full(await worker.request("POST", "/tasks", json=body), waiting=0)
            assert worker.worker.durability.tasks.waiting == 0
            body = {"tasks": [one, other, one]}
            assert (await worker.request("POST", "/tasks", json=body)).status == 202
            assert_full(await say(worker))
        await until(lambda: worker.worker.durability.tasks.waiting == 0)
        await worker.idle()


async def test_the_count_holds_over_a_restart(tmp_path: Path) -> None:
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    async with durable_worker(tmp_path, **POOLS) as worker, slot_1_busy(worker, tmp_path):
        ids = [(await say(worker, not_before=later)).json["id"] for _ in range(LIMIT)]
        other = {"pool": "logins", "slot": 0}
        assert (await say(worker, not_before=later, place=other)).status == 202
    async with durable_worker(tmp_path, **POOLS) as worker:
        tasks = worker.worker.durability.tasks
        assert (tasks.waiting, tasks.waiting_for(Place(**ON_1))) == (LIMIT + 1, LIMIT)
        async with slot_1_busy(worker, tmp_path):
            assert_full(await say(worker))
            assert_full(await say(worker, mode="sync"))
            assert (await worker.request("POST", f"/tasks/{ids[0]}/cancel")).status == 200
            assert (await say(worker)).status == 202
            assert_full(await say(worker))
        await until(lambda: tasks.waiting_for(Place(**ON_1)) == 1)
        await worker.idle()


async def test_a_retry_with_an_idempotency_key_is_counted_once(tmp_path: Path) -> None:
    key = {"Idempotency-Key": "the same"}
    body = {"function": "say", "mode": "async", "place": ON_1, "input": {"text": "a"}}
    async with durable_worker(tmp_path, **POOLS) as worker:
        async with slot_1_busy(worker, tmp_path):
            answers = [
                await worker.request("POST", "/task", json=body, headers=key) for _ in range(2)
            ]
            assert [answer.status for answer in answers] == [202, 202]
            assert answers[0].json["id"] == answers[1].json["id"]
            assert worker.worker.durability.tasks.waiting_for(Place(**ON_1)) == 1
        await finished(worker, answers[0].json["id"])
        await worker.idle()
