"""Balancers as processes: two of one PostgreSQL with different clocks, and balancers that die."""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.harness.processes.nodes import Node, nodes
from tests.harness.processes.postgres import postgres

AHEAD = "import time\nreal = time.time\ntime.time = lambda: real() + 2.0\n"
SECOND = timedelta(seconds=1)
SCHEDULES = 8
EACH_SECOND: Mapping[str, Any] = {
    "cron": "* * * * * *",
    "function": "echo",
    "input": {"value": 1},
    "overlap": "allow",
}


async def make(balancer: Node, name: str, **fields: Any) -> None:
    body = {**EACH_SECOND, "name": name, **fields}
    answer = await balancer.request("POST", "/schedules", json=body)
    assert answer.status == 201, answer.body


async def history(balancer: Node, name: str) -> list[Any]:
    return list((await balancer.get(f"/schedules/{name}"))["schedule"]["last_runs"])


async def until_fired(balancer: Node, name: str, count: int) -> None:
    async with asyncio.timeout(60):
        while len(await history(balancer, name)) < count:  # noqa: ASYNC110  polls
            await asyncio.sleep(0.1)


async def check_fired_once(balancer: Node, names: list[str]) -> None:
    """Each firing has one line and one task, and no second is left out."""
    for name in names:
        off = await balancer.request("POST", f"/schedules/{name}/off")
        assert off.status == 200, off.body
    for name in names:
        runs = await history(balancer, name)
        started = [run for run in runs if run["outcome"] == "started"]
        page = await balancer.get("/tasks", schedule=name, limit="1000")
        assert sorted(task["id"] for task in page["tasks"]) == sorted(
            run["task_id"] for run in started
        )
        if len(started) == len(runs):  # else the machine was too slow for some of them
            due = sorted(datetime.fromisoformat(run["due_at"]) for run in runs)
            assert {later - earlier for earlier, later in pairwise(due)} == {SECOND}


@pytest.mark.timeout(180)
async def test_two_balancers_with_clocks_apart_fire_each_time_once(tmp_path: Path) -> None:
    ahead = tmp_path / "ahead"
    ahead.mkdir()
    (ahead / "sitecustomize.py").write_text(AHEAD)
    with postgres() as server:
        url = server.create_database()
        async with nodes(tmp_path) as started:
            one = await started.balancer("balancer-1", DATABASE_URL=url)
            other = await started.balancer("balancer-2", DATABASE_URL=url, PYTHONPATH=str(ahead))
            await started.worker("worker-1", one, other)
            await one.until_ready_workers(1)
            await other.until_ready_workers(1)
            names = [f"s{n}" for n in range(SCHEDULES)]
            for name in names:
                await make(one, name)
            await until_fired(other, names[-1], 8)
            await check_fired_once(one, names)
            one_made = await one.get("/schedules", limit="2")
            assert (one_made["total"], len(one_made["schedules"])) == (SCHEDULES, 2)


@pytest.mark.timeout(180)
async def test_when_one_of_two_balancers_dies_the_other_fires_what_is_due(tmp_path: Path) -> None:
    with postgres() as server:
        url = server.create_database()
        async with nodes(tmp_path) as started:
            one = await started.balancer("balancer-1", DATABASE_URL=url)
            other = await started.balancer("balancer-2", DATABASE_URL=url)
            await started.worker("worker-1", one, other)
            await one.until_ready_workers(1)
            await other.until_ready_workers(1)
            names = [f"s{n}" for n in range(SCHEDULES)]
            for name in names:
                await make(one, name)
            await until_fired(other, names[0], 3)
            one.process.kill()
            before = len(await history(other, names[0]))
            await until_fired(other, names[0], before + 5)
            await check_fired_once(other, names)


@pytest.mark.timeout(180)
async def test_a_balancer_that_is_killed_again_and_again_fires_each_time_once(
    tmp_path: Path,
) -> None:
    async with nodes(tmp_path) as started:
        balancer = await started.balancer("balancer-1")
        port = balancer.url.rpartition(":")[2]
        await started.worker("worker-1", balancer)
        await balancer.until_ready_workers(1)
        await make(balancer, "s", overlap="allow")
        for _ in range(4):
            before = len(await history(balancer, "s"))
            await until_fired(balancer, "s", before + 2)
            balancer.process.kill()
            balancer = await started.balancer("balancer-1", PORT=port)
        await balancer.until_ready_workers(1)
        before = len(await history(balancer, "s"))
        await until_fired(balancer, "s", before + 2)
        off = await balancer.request("POST", "/schedules/s/off")
        assert off.status == 200
        runs = await history(balancer, "s")
        tasks = (await balancer.get("/tasks", schedule="s", limit="1000"))["tasks"]
        started_ = [run["task_id"] for run in runs if run["outcome"] == "started"]
        assert sorted(started_) == sorted(task["id"] for task in tasks)
        assert len(started_) >= 10
