"""Tasks for one slot of a persistent pool: sent when that slot is free, and to nobody too old."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from balancer.fleet.worker_states import WorkerState
from slotgrid.wire import messages as m
from slotgrid.wire.message_parts import System
from tests.harness.in_process.balancer import RunningBalancer
from tests.harness.peers.fake_worker import FakeWorker, fake_worker
from tests.harness.waiting import until

HAS_LOGINS: dict[str, Any] = {
    "slots": 4,
    "pools": {"default": 1, "logins": 3},
    "isolation": {"logins": "persistent"},
}


def place(slot: int) -> dict[str, Any]:
    return {"place": {"worker": "fake", "pool": "logins", "slot": slot}}


def free_slots(balancer: RunningBalancer) -> set[int]:
    """The free slots of the persistent pool, as the balancer knows them."""
    worker = balancer.balancer.fleet.roster.worker("fake")
    return set() if worker is None else set(worker.free_slots["logins"])


class Slotted:
    """A worker with a persistent pool, in which those slots are free."""

    def __init__(self, worker: FakeWorker, *free: int) -> None:
        self.worker = worker
        self.free = set(free)
        self.tasks: list[m.TaskMessage] = []
        worker.on_task = self.tasks.append
        self.report()

    def counts(self) -> dict[str, Any]:
        return {
            "seq": self.worker.seq(),
            "free": {"default": 1, "logins": len(self.free)},
            "free_slots": {"logins": tuple(sorted(self.free))},
        }

    def report(self) -> None:
        said = m.Report(status="ready", used=0, system=System(), **self.counts())
        self.worker.link.send(said)

    async def gets(self, count: int) -> m.TaskMessage:
        await until(lambda: len(self.tasks) == count)
        return self.tasks[-1]

    async def rest(self, balancer: RunningBalancer) -> None:
        """Every slot is free again, and the balancer has nothing left here."""
        self.free = {0, 1, 2}
        self.report()
        await balancer.idle()

    def start(self, task: m.TaskMessage, slot: int) -> None:
        self.free.discard(slot)
        started = m.Started(id=task.id, slot=slot, **self.counts())
        self.worker.link.send(started, lane=task.id)

    def finish(self, task: m.TaskMessage, slot: int) -> None:
        self.free.add(slot)
        done = m.Done(id=task.id, result=msgspec.Raw(b"1"), **self.counts())
        self.worker.link.send(done, lane=task.id)


async def test_a_task_for_a_slot_waits_for_that_slot_alone(balancer: RunningBalancer) -> None:
    async with fake_worker(balancer, **HAS_LOGINS) as link:
        worker = Slotted(link, 0, 2)
        await until(lambda: free_slots(balancer) == {0, 2})
        waits = balancer.start("echo", fields=place(1))
        await until(lambda: balancer.balancer.dispatcher.waiting == 1)
        other = balancer.start("echo", fields=place(2))
        sent = await worker.gets(1)
        assert (sent.pool, sent.slot) == ("logins", 2)
        worker.start(sent, 2)
        unplaced = balancer.start("echo", fields={"place": {"pool": "logins"}})
        any_slot = await worker.gets(2)
        assert any_slot.slot is None
        worker.start(any_slot, 0)
        worker.free.add(1)
        worker.report()
        mine = await worker.gets(3)
        assert (mine.pool, mine.slot) == ("logins", 1)
        worker.start(mine, 1)
        for task, slot in ((mine, 1), (any_slot, 0), (sent, 2)):
            worker.finish(task, slot)
        for caller in (waits, other, unplaced):
            assert (await caller).status == 200
        [attempt] = (await balancer.get(f"/tasks/{mine.id}"))["task"]["attempts"]
        assert (attempt["worker"], attempt["pool"], attempt["slot"]) == ("fake", "logins", 1)
        await balancer.idle()


async def test_a_task_whose_slot_was_taken_meanwhile_returns_to_its_place(
    balancer: RunningBalancer,
) -> None:
    async with fake_worker(balancer, **HAS_LOGINS) as link:
        worker = Slotted(link, 1)
        first = balancer.start("echo", fields=place(1))
        sent = await worker.gets(1)
        second = balancer.start("echo", fields=place(1))
        await until(lambda: balancer.balancer.dispatcher.waiting == 1)
        worker.free.discard(1)
        refused = m.Refused(id=sent.id, kind="busy", reason="slot 1 is busy")
        link.link.send(refused, lane=sent.id)
        await until(lambda: balancer.balancer.dispatcher.waiting == 2)
        worker.free.add(1)
        worker.report()
        again = await worker.gets(2)
        assert again.id == sent.id
        worker.start(again, 1)
        worker.finish(again, 1)
        assert (await first).status == 200
        last = await worker.gets(3)
        worker.start(last, 1)
        worker.finish(last, 1)
        assert (await second).status == 200
        await worker.rest(balancer)


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"pool": "logins", "slot": 0}, "/place/worker"),
        ({"worker": "fake", "slot": 0}, "/place/pool"),
        ({"worker": "fake", "pool": "logins", "slot": 3}, "/place/slot"),
        ({"worker": "fake", "pool": "default", "slot": 0}, "/place/slot"),
    ],
)
async def test_a_slot_that_cannot_be_chosen_is_a_bad_request(
    balancer: RunningBalancer, fields: dict[str, Any], pointer: str
) -> None:
    async with fake_worker(balancer, **HAS_LOGINS) as link:
        answer = await balancer.submit("echo", place=fields)
        assert answer.status == 400, answer.body
        assert [fault["pointer"] for fault in answer.json["errors"]] == [pointer]
        await Slotted(link).rest(balancer)


async def test_workers_and_pools_show_what_is_persistent(balancer: RunningBalancer) -> None:
    async with fake_worker(balancer, **HAS_LOGINS) as link:
        worker = Slotted(link, 0, 2)
        await until(lambda: free_slots(balancer) == {0, 2})
        pools = (await balancer.get("/workers/fake"))["worker"]["pools"]
        assert pools == {
            "default": {"size": 1, "free": 1, "busy": 0},
            "logins": {
                "size": 3,
                "free": 2,
                "busy": 1,
                "isolation": "persistent",
                "free_slots": [0, 2],
            },
        }
        shown = (await balancer.get("/health"))["pools"]["logins"]
        assert shown == {"size": 3, "free": 2, "busy": 1, "isolation": "persistent"}
        async with fake_worker(balancer, "plain", pools={"default": 1, "logins": 3}):
            await balancer.until_worker("plain", WorkerState.READY)
            assert "isolation" not in (await balancer.get("/health"))["pools"]["logins"]
        await balancer.until_worker("plain", WorkerState.LOST)
        await worker.rest(balancer)


async def test_no_task_with_a_slot_goes_to_a_worker_of_an_earlier_protocol(
    balancer: RunningBalancer,
) -> None:
    async with fake_worker(balancer, **HAS_LOGINS, protocol="1.3") as link:
        worker = Slotted(link, 0, 1, 2)
        problem = await balancer.problem("echo", 503, **place(1))
        assert (problem["type"], problem["reason"]) == ("/problems/no-worker", "protocol")
        assert "1.3" in problem["detail"]
        caller = balancer.start("echo", fields={"place": {"worker": "fake", "pool": "logins"}})
        task = await worker.gets(1)
        assert task.slot is None
        worker.start(task, 2)  # the second slot of its second pool, by its own count
        worker.finish(task, 2)
        assert (await caller).status == 200
        [attempt] = (await balancer.get(f"/tasks/{task.id}"))["task"]["attempts"]
        assert (attempt["pool"], attempt["slot"]) == ("logins", 1)
        await balancer.idle()


async def test_no_more_tasks_wait_for_a_slot_than_its_worker_allows(
    balancer: RunningBalancer,
) -> None:
    limited: dict[str, Any] = {**HAS_LOGINS, "queue_limits": {"logins": 2}}
    async with fake_worker(balancer, **limited) as link:
        worker = Slotted(link)
        waits = [balancer.start("echo", fields=place(1))]
        await until(lambda: balancer.balancer.dispatcher.waiting == 1)
        durable = await balancer.submit("echo", mode="async", **place(1))
        assert durable.status == 202, durable.body
        for mode in ("sync", "async"):
            refused = await balancer.submit("echo", mode=mode, **place(1))
            assert (refused.status, refused.json["type"]) == (503, "/problems/queue-full")
            assert refused.json["detail"] == (
                '2 tasks are waiting for slot 1 of the pool "logins" of the worker "fake", '
                "the limit is 2"
            )
            assert int(refused.headers["Retry-After"]) >= 1
        waits.append(balancer.start("echo", fields=place(2)))
        await until(lambda: balancer.balancer.dispatcher.waiting == 3)
        worker.free = {1, 2}
        worker.report()
        for number in range(3):
            await until(lambda: len(worker.tasks) > number)  # noqa: B023  awaited at once
            task = worker.tasks[number]
            assert task.slot is not None
            worker.start(task, task.slot)
            worker.finish(task, task.slot)
        for caller in waits:
            assert (await caller).status == 200
        shown = await balancer.get(f"/tasks/{durable.json['id']}", wait_s="30")
        assert shown["task"]["status"] == "completed"
        await worker.rest(balancer)


async def test_a_workers_own_pools_file_makes_slots_and_limits(
    balancer: RunningBalancer, tmp_path: Path
) -> None:
    pools = tmp_path / "pools.yaml"
    pools.write_text(
        "default: {size: 1}\nlogins: {size: 2, isolation: persistent, queue_limit: 1}\n"
    )
    await balancer.worker("worker-1", SLOTS=3, POOLS_FILE=pools, CHROMIUM_PATH="")
    on_1 = {"place": {"worker": "worker-1", "pool": "logins", "slot": 1}}
    busy = balancer.start("nap", fields=on_1, seconds=60)
    await balancer.until_running(1)
    waits = balancer.start("echo", fields=on_1, value=1)
    await until(lambda: balancer.balancer.dispatcher.waiting == 1)
    full = await balancer.submit("echo", input={"value": 1}, mode="async", **on_1)
    assert (full.status, full.json["type"]) == (503, "/problems/queue-full")
    other = {"place": {"worker": "worker-1", "pool": "logins", "slot": 0}}
    for fields in (other, {"place": {"pool": "logins"}}, {}):
        assert (await balancer.submit("echo", input={"value": 1}, **fields)).status == 200
    busy.cancel()
    answer = await waits
    assert answer.status == 200, answer.body
    [attempt] = (await balancer.get(f"/tasks/{answer.json['id']}"))["task"]["attempts"]
    assert (attempt["pool"], attempt["slot"]) == ("logins", 1)
