"""A user's share: how many of its tasks run at once, and that the others wait for nobody."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from slotgrid.users.user import hash_of
from tests.balancer.flows.flow_folder import ended
from tests.harness.in_process.balancer import RunningBalancer, running_balancer
from tests.harness.waiting import until

FLOW = """
kind: flow
steps:
  - name: naps
    function: nap
    for_each: [1, 2, 3, 4, 5]
    with: {seconds: 0.2}
"""


def write(folder: Path, **shares: int | None) -> None:
    users = [
        {
            "name": name,
            "scopes": ["read", "submit", "operate"],
            "keys": [{"hash": hash_of(name)}],
            "concurrency": share,
        }
        for name, share in shares.items()
    ]
    new = folder / "users.new"
    new.write_text(json.dumps({"users": users}))
    new.rename(folder / "users.json")


@asynccontextmanager
async def a_balancer(folder: Path, **shares: int | None) -> AsyncIterator[RunningBalancer]:
    flows = folder / "flows"
    flows.mkdir(exist_ok=True)
    (flows / "many.yaml").write_text(FLOW)
    write(folder, **shares)
    async with running_balancer(
        folder, FUNCTIONS_DIR=flows, USERS_FILE=folder / "users.json"
    ) as balancer:
        await balancer.worker(SLOTS=4)
        yield balancer


@pytest.fixture
async def balancer(tmp_path: Path) -> AsyncIterator[RunningBalancer]:
    async with a_balancer(tmp_path, ann=2, bob=None) as running:
        yield running


async def post(balancer: RunningBalancer, key: str, function: str, **fields: Any) -> Any:
    async with (
        aiohttp.ClientSession(headers={"Authorization": key}) as session,
        session.post(f"{balancer.url}/task", json={"function": function, **fields}) as answer,
    ):
        return await answer.json()


async def running_of(balancer: RunningBalancer, owner: str) -> int:
    page = await balancer.get("/tasks", owner=owner, status="running")
    return int(page["total"])


@pytest.mark.parametrize("mode", ["async", "sync"])
async def test_past_a_share_its_tasks_wait_and_delay_nobody(
    balancer: RunningBalancer, mode: str
) -> None:
    calls = [
        asyncio.create_task(
            post(balancer, "ann", "nap", mode=mode, priority=1, input={"seconds": 60})
        )
        for _ in range(6)
    ]
    await balancer.until_running(2)
    done = await asyncio.wait_for(post(balancer, "bob", "echo", input={"value": 7}), 20)
    assert done["result"] == 7
    assert await running_of(balancer, "ann") == 2
    waiting = await balancer.get("/tasks", owner="ann", status="queued")
    assert waiting["total"] == 4
    late = await post(balancer, "ann", "echo", wait_s=0.2)
    assert late["type"] == "/problems/wait-exceeded"
    assert late["reason"] == "the share of ann, 2 tasks at once, is used up"
    for call in calls:
        call.cancel()
    await balancer.request("POST", "/tasks/cancel?owner=ann")
    await balancer.idle()
    assert (await post(balancer, "ann", "echo", input={"value": 8}))["result"] == 8


async def test_a_share_that_changes_starts_what_waits(
    balancer: RunningBalancer, tmp_path: Path
) -> None:
    for _ in range(4):
        await post(balancer, "ann", "nap", mode="async", input={"seconds": 60})
    await balancer.until_running(2)
    write(tmp_path, ann=3, bob=None)
    await balancer.until_running(3)
    write(tmp_path, bob=None)  # removed: its tasks go on, and no limit holds them back
    await balancer.until_running(4)
    assert await running_of(balancer, "ann") == 4
    await balancer.request("POST", "/tasks/cancel?owner=ann")
    await balancer.idle()


@asynccontextmanager
async def the_most(balancer: RunningBalancer) -> AsyncIterator[list[int]]:
    """The numbers of leases that are seen during the block."""
    seen: list[int] = []

    async def look() -> None:
        while True:
            seen.append(balancer.balancer.dispatcher.leased)
            await asyncio.sleep(0.005)

    looking = asyncio.create_task(look())
    yield seen
    looking.cancel()


async def test_the_tasks_of_a_flow_count(balancer: RunningBalancer) -> None:
    async with the_most(balancer) as seen:
        accepted = await post(balancer, "ann", "many", mode="async")
        assert (await ended(balancer, accepted["id"]))["status"] == "completed"
    assert max(seen) == 2


async def test_a_share_holds_after_a_restart(tmp_path: Path) -> None:
    async with a_balancer(tmp_path, ann=1) as balancer:
        later = datetime.fromtimestamp(time.time() + 3, UTC).isoformat()
        fields = {"mode": "async", "not_before": later, "input": {"seconds": 0.3}}
        ids = [(await post(balancer, "ann", "nap", **fields))["id"] for _ in range(4)]
    async with a_balancer(tmp_path, ann=1) as balancer, the_most(balancer) as seen:
        for task_id in ids:
            assert (await ended(balancer, task_id))["owner"] == "ann"
    assert max(seen) == 1


async def test_a_schedule_of_a_removed_owner_does_not_fire(
    balancer: RunningBalancer, tmp_path: Path
) -> None:
    async with (
        aiohttp.ClientSession(headers={"Authorization": "bob"}) as session,
        session.post(
            f"{balancer.url}/schedules",
            json={"name": "x", "cron": "* * * * *", "function": "echo"},
        ) as answer,
    ):
        assert answer.status == 201, await answer.text()
    write(tmp_path, ann=2)
    await until(lambda: not balancer.balancer.users.exists("bob"))
    shown = (await balancer.get("/schedules/x"))["schedule"]
    assert (shown["enabled"], "was removed" in shown["fault"]) == (False, True)
    refused = await balancer.request("POST", "/schedules/x/run")
    assert refused.status == 409
