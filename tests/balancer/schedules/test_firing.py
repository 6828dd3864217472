"""Firings by time: what is skipped and why, overlaps, missed ones, maintenance, restarts."""

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from balancer.fleet.expected_workers import RETURNING_S
from slotgrid.records.database import Database
from slotgrid.records.store.clock import clock_of
from slotgrid.records.store.rows import Connection
from slotgrid.records.tables import due, schedule_runs
from tests.balancer.schedules.test_api import YEARLY, make
from tests.harness.in_process.balancer import RunningBalancer, running_balancer
from tests.harness.waiting import until


def _move_due(connection: Connection, name: str, by_s: float) -> None:
    at = clock_of(connection) + by_s
    connection.execute(due.update().where(due.c.ref == name).values(due_at=at // 1))


async def make_due(balancer: RunningBalancer, name: str = "nightly", *, by_s: float = -1) -> None:
    """Have the schedule's next firing at this distance from now."""
    durability = balancer.balancer.durability
    await durability.database.write(partial(_move_due, name=name, by_s=by_s))
    durability.wake_due()


async def runs_of(balancer: RunningBalancer, count: int, name: str = "nightly") -> list[Any]:
    """The history, newest first, once it has so many firings."""
    async with asyncio.timeout(30):
        while True:
            runs = (await balancer.get(f"/schedules/{name}"))["schedule"]["last_runs"]
            if len(runs) >= count:
                return list(runs)
            await asyncio.sleep(0.02)


async def test_a_due_schedule_starts_its_task_once(balancer: RunningBalancer) -> None:
    await balancer.worker()
    made = await make(balancer)
    await make_due(balancer)
    (run,) = await runs_of(balancer, 1)
    assert (run["outcome"], run["reason"]) == ("started", None)
    task = (await balancer.get(f"/tasks/{run['task_id']}", wait_s="20"))["task"]
    assert (task["status"], task["owner"]) == ("completed", "root")
    after = (await balancer.get("/schedules/nightly"))["schedule"]
    assert after["next_runs"] == made["next_runs"]


async def test_a_refused_task_is_skipped_with_the_reason(balancer: RunningBalancer) -> None:
    worker = await balancer.worker()
    await make(balancer, "gone", function="echo")
    await make(balancer, "wrong", function="echo", group="default")
    await balancer.balancer.durability.database.write(
        lambda c: c.execute(
            sa.text(
                "UPDATE slotgrid_schedules SET body = replace(body, 'echo', 'nothing')"
                " WHERE name = 'gone'"
            )
        )
    )
    await make_due(balancer, "gone")
    (run,) = await runs_of(balancer, 1, "gone")
    assert (run["outcome"], run["task_id"]) == ("skipped", None)
    assert run["reason"].startswith("unknown-function: ")
    balancer.balancer.durability.tasks._acceptor._limit = 0
    await make_due(balancer, "wrong")
    (run,) = await runs_of(balancer, 1, "wrong")
    assert run["reason"].startswith("queue-full: ")
    assert worker.process.runs
    assert (await balancer.get("/tasks", source="schedule"))["total"] == 0


async def test_an_earlier_task_that_goes_on_skips_the_firing_and_says_which(
    balancer: RunningBalancer,
) -> None:
    await balancer.worker()
    await make(balancer, function="nap", input={"seconds": 60})
    await make_due(balancer, by_s=-2)
    (first,) = await runs_of(balancer, 1)
    await make_due(balancer, by_s=-1)
    skipped, _ = await runs_of(balancer, 2)
    assert skipped["outcome"] == "skipped"
    assert first["task_id"] in skipped["reason"]


async def test_a_task_counts_as_earlier_however_many_firings_it_outlasts(
    balancer: RunningBalancer,
) -> None:
    await balancer.worker()
    await make(balancer, function="nap", input={"seconds": 60})
    await make_due(balancer, by_s=-2)
    (first,) = await runs_of(balancer, 1)
    rows = [
        {"schedule": "nightly", "due_at": 4e9 + n, "fired_at": 1.0, "outcome": "skipped"}
        for n in range(150)
    ]
    database = balancer.balancer.durability.database
    await database.write(lambda c: c.execute(schedule_runs.insert(), rows))
    await make_due(balancer, by_s=-1)
    count = sa.select(sa.func.count()).select_from(schedule_runs)
    async with asyncio.timeout(30):
        while await database.read(lambda c: c.execute(count).scalar_one()) != 101:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    kept = sa.select(schedule_runs.c.task_id).where(schedule_runs.c.task_id.is_not(None))
    assert await database.read(lambda c: list(c.execute(kept).scalars())) == [first["task_id"]]


async def test_the_next_firing_cancels_the_earlier_task(balancer: RunningBalancer) -> None:
    await balancer.worker()
    await make(balancer, function="nap", input={"seconds": 60}, overlap="cancel_previous")
    await make_due(balancer, by_s=-2)
    (first,) = await runs_of(balancer, 1)
    await balancer.until_running(1)
    await make_due(balancer, by_s=-1)
    second, _ = await runs_of(balancer, 2)
    assert second["outcome"] == "started"
    task = (await balancer.get(f"/tasks/{first['task_id']}", wait_s="20"))["task"]
    assert task["status"] == "cancelled"


async def test_missed_firings_are_one_line_of_the_history(balancer: RunningBalancer) -> None:
    await balancer.worker()
    await make(balancer, "skips", cron="0 * * * *")
    await make(balancer, "runs", cron="0 * * * *", missed="run_once")
    for name in ("skips", "runs"):
        await make_due(balancer, name, by_s=-10 * 3600)
    (run,) = [r for r in await runs_of(balancer, 1, "skips") if r["outcome"] == "missed"]
    assert "no balancer or no worker was ready" in run["reason"]
    (run,) = await runs_of(balancer, 1, "runs")
    assert run["outcome"] == "started"
    assert "firings since" in run["reason"]


async def test_a_node_in_maintenance_fires_when_it_is_back(balancer: RunningBalancer) -> None:
    await balancer.worker()
    await make(balancer)
    await balancer.request("POST", "/off")
    await make_due(balancer)
    await asyncio.sleep(0.5)
    assert (await balancer.get("/schedules/nightly"))["schedule"]["last_runs"] == []
    await balancer.request("POST", "/on")
    (run,) = await runs_of(balancer, 1)
    assert run["outcome"] == "started"


async def test_a_removed_owner_stops_the_schedule_until_another_one_owns_it(
    balancer: RunningBalancer,
) -> None:
    await balancer.worker()
    await make(balancer)
    scheduling = balancer.balancer.scheduling
    names: set[str] = set()
    exists: Callable[[str], bool] = names.__contains__
    scheduling.schedules._views._owner_exists = exists
    scheduling.schedules._firings._owner_exists = exists
    shown = (await balancer.get("/schedules/nightly"))["schedule"]
    assert (shown["enabled"], shown["next_runs"]) == (False, [])
    assert 'owner "root" was removed' in shown["fault"]
    await make_due(balancer)
    (run,) = await runs_of(balancer, 1)
    assert run["outcome"] == "skipped"
    assert 'owner "root" was removed' in run["reason"]
    assert (await balancer.request("POST", "/schedules/nightly/run")).status == 409
    names.add("root")
    assert (await balancer.get("/schedules/nightly"))["schedule"]["enabled"] is True


async def test_a_firing_during_an_outage_of_the_database_comes_later(
    balancer: RunningBalancer, monkeypatch: Any
) -> None:
    await balancer.worker()
    await make(balancer)
    write = Database.write_with_others
    failures = iter([True])

    async def failing(self: Database, work: Any, item: Any) -> Any:
        if work.__name__ == "fire" and next(failures, False):
            raise self._unavailable()
        return await write(self, work, item)

    monkeypatch.setattr(Database, "write_with_others", failing)
    await make_due(balancer)
    (run,) = await runs_of(balancer, 1)
    assert next(failures, None) is None
    assert run["outcome"] == "started"
    assert (await balancer.get("/tasks", schedule="nightly"))["total"] == 1
    assert balancer.balancer.durability.tasks.waiting == 0


async def test_a_firing_during_a_restart_starts_when_a_worker_is_back(
    tmp_path: Path,
) -> None:
    async with running_balancer(tmp_path) as balancer:
        await balancer.worker()
        await make(balancer, cron=YEARLY)
    async with running_balancer(tmp_path) as balancer:
        # It has just started, so it waits for workers that may return.
        balancer.balancer.fleet.expected._began += RETURNING_S
        await make_due(balancer, by_s=-10)
        await balancer.worker()
        (run,) = await runs_of(balancer, 1)
        assert run["outcome"] == "started", run
        await until(lambda: balancer.balancer.durability.tasks.waiting == 0, 20)
