"""Tasks of a balancer for one slot of a persistent pool, and balancers that do not know slots."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from slotgrid.core.slots import Slots
from slotgrid.wire import messages as m
from slotgrid.wire.message_parts import System
from tests.harness.peers.fake_balancer import linked
from worker.uplink.uplink import _same

FUNCTIONS = {
    "sleeps.py": """
        import asyncio

        @function(timeout_s=30)
        async def sleeps(context: Context, seconds: float = 60) -> str:
            await asyncio.sleep(seconds)
            return "rested"
    """,
}
POOLS: dict[str, Any] = {"SLOTS": 5, "POOLS": "default=2,logins=3"}
ON_1 = {"pool": "logins", "slot": 1}


@pytest.fixture(autouse=True)
def persistent_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the pool `logins` of workers in this process persistent."""

    def slots(pools: Any, **fields: Any) -> Slots:
        fields |= {"persistent": {"logins"}, "queue_limits": {"logins": 7}}
        return Slots(pools, **fields)

    monkeypatch.setattr("worker.app.Slots", slots)


async def test_a_worker_tells_its_persistent_pools_and_their_free_slots(tmp_path: Path) -> None:
    async with linked(tmp_path, FUNCTIONS, **POOLS) as (worker, balancer):
        hello = await balancer.hello()
        assert hello.isolation == {"logins": "persistent"}
        assert hello.queue_limits == {"logins": 7}
        assert hello.report.free_slots == {"logins": (0, 1, 2)}
        task = balancer.offer("sleeps", **ON_1)
        started = await balancer.started(task)
        assert (started.slot, started.free) == (1, {"default": 2, "logins": 2})
        assert started.free_slots == {"logins": (0, 2)}
        [attempt] = (await worker.task(task))["attempts"]
        assert (attempt["pool"], attempt["slot"]) == ("logins", 1)
        await balancer.report(lambda report: report.free_slots == {"logins": (0, 2)})
        balancer.link.send(m.Cancel(id=task, reason="enough"))
        assert (await balancer.outcome(task)).free_slots == {"logins": (0, 1, 2)}
        health = await worker.get("/health")
        assert health["pools"]["logins"] == {
            "size": 3,
            "free": 3,
            "busy": 0,
            "isolation": "persistent",
        }
        assert "isolation" not in health["pools"]["default"]
        await worker.idle()


async def test_a_task_for_a_slot_that_is_taken_is_refused_and_the_others_run(
    tmp_path: Path,
) -> None:
    async with linked(tmp_path, FUNCTIONS, **POOLS) as (worker, balancer):
        place = {"pool": "logins", "slot": 1}
        direct = await worker.start("sleeps", fields={"place": place})
        await balancer.report(lambda report: report.free_slots == {"logins": (0, 2)})
        refused = await balancer.outcome(balancer.offer("sleeps", **ON_1))
        assert isinstance(refused, m.Refused)
        assert (refused.kind, refused.reason) == ("busy", "slot 1 is busy")
        for slot in (0, 2):
            done = await balancer.outcome(
                balancer.offer("sleeps", pool="logins", slot=slot, input={"seconds": 0})
            )
            assert isinstance(done, m.Done)
        gone = await balancer.outcome(balancer.offer("sleeps", pool="logins", slot=3))
        assert (gone.kind, gone.reason) == ("held", 'the pool "logins" has no persistent slot 3')
        nowhere = await balancer.outcome(balancer.offer("sleeps", slot=1))
        assert nowhere.kind == "held"
        await direct.hang_up()
        await worker.idle()


async def test_direct_callers_may_ask_for_a_slot_and_wait_for_it_alone(tmp_path: Path) -> None:
    async with linked(tmp_path, FUNCTIONS, **POOLS) as (worker, _):
        fields = {"place": {"pool": "logins", "slot": 0}}
        first = await worker.start("sleeps", fields=fields)
        second = await worker.start("sleeps", fields=fields, seconds=0)
        for other in ({"place": {"pool": "logins"}}, {}, {"place": {"pool": "logins", "slot": 2}}):
            assert (await worker.submit("sleeps", input={"seconds": 0}, **other)).status == 200
        assert second.task.attempts == []
        await first.hang_up()
        assert await second.result() == "rested"
        assert second.task.attempts[0].slot == 0
        for place, pointer in (
            ({"pool": "logins", "slot": 3}, "/place/slot"),
            ({"pool": "default", "slot": 0}, "/place/slot"),
            ({"slot": 0}, "/place/pool"),
        ):
            answer = await worker.submit("sleeps", place=place)
            assert answer.status == 400, answer.body
            assert [fault["pointer"] for fault in answer.json["errors"]] == [pointer]
        await worker.idle()


def test_a_report_in_which_another_slot_is_free_is_news() -> None:
    said = m.Report(
        seq=1,
        status="ready",
        free={"logins": 1},
        used=0,
        system=System(),
        free_slots={"logins": (1,)},
    )
    assert _same(said, msgspec.structs.replace(said, seq=2))
    assert not _same(said, msgspec.structs.replace(said, free_slots={"logins": (2,)}))


async def test_a_balancer_before_1_4_gets_numbers_over_all_pools_and_no_free_slots(
    tmp_path: Path,
) -> None:
    async with linked(tmp_path, FUNCTIONS, boot=None, **POOLS) as (worker, balancer):
        await balancer.hello()
        balancer.welcome("b1", protocol="1.3")
        task = balancer.offer("sleeps", pool="logins", input={"seconds": 0})
        done = await balancer.outcome(task)
        started = await balancer.started(task)
        assert (started.slot, done.free) == (2, {"default": 2, "logins": 3})
        report = await balancer.report(lambda _: True)
        failed = await balancer.outcome(balancer.offer("sleeps", input={"unknown": 1}))
        assert isinstance(failed, m.Failed)
        for message in (started, done, report, failed):
            assert message.free_slots == {}
        assert [said.free_slots for said in balancer.all(m.Report)] == [{}] * len(
            balancer.all(m.Report)
        )
        assert (await worker.task(task))["attempts"][0]["slot"] == 0
        await worker.idle()
