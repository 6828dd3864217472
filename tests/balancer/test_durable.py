"""Durable tasks of a balancer: recorded here, run on workers, delivered from here."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest
from aiohttp import web

from balancer.fleet.worker_states import WorkerState
from tests.harness.in_process.balancer import RunningBalancer, running_balancer
from tests.harness.peers.receivers import Receiver, receiver
from tests.harness.waiting import until


@pytest.fixture
async def told() -> AsyncIterator[Receiver]:
    """Who is sent webhooks."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response()

    async with receiver(answer) as told:
        yield told


@pytest.fixture
async def balancer(tmp_path: Path) -> AsyncIterator[RunningBalancer]:
    async with running_balancer(tmp_path, ALLOWED_PRIVATE_NETWORKS="127.0.0.0/8") as running:
        yield running


async def test_a_webhook_is_delivered_with_what_a_worker_returned(
    balancer: RunningBalancer, told: Receiver
) -> None:
    await balancer.worker("worker-1")
    accepted = await balancer.submit(
        "echo", input={"value": 7}, mode="webhook", webhook={"url": told.url}
    )
    assert accepted.status == 202, accepted.body
    await until(lambda: len(told.received) == 1, 20)
    body = orjson.loads(told.received[0].body)
    assert body["type"] == "task.completed"
    assert (body["data"]["id"], body["data"]["result"]) == (accepted.json["id"], 7)
    assert len(balancer.events_logged("task.completed")) == 1


async def test_durable_tasks_wait_while_no_worker_is_there_and_run_when_one_is_back(
    balancer: RunningBalancer,
) -> None:
    worker = await balancer.worker("worker-1", SLOTS=1)
    holding = balancer.start("nap")
    await balancer.until_running(1)
    ids = [
        (await balancer.submit("echo", input={"value": n}, mode="async")).json["id"]
        for n in range(5)
    ]
    worker.kill()
    await balancer.until_worker("worker-1", WorkerState.LOST)
    assert (await holding).status == 502
    for task_id in ids:
        assert (await balancer.get(f"/tasks/{task_id}"))["task"]["status"] == "queued"
    await balancer.worker("worker-1", SLOTS=1)
    tasks = await asyncio.gather(
        *(balancer.get(f"/tasks/{task_id}", wait_s="20") for task_id in ids)
    )
    assert [task["task"]["result"] for task in tasks] == list(range(5))


async def test_a_durable_task_whose_worker_dies_under_it_is_told_as_lost(
    balancer: RunningBalancer,
) -> None:
    worker = await balancer.worker("worker-1")
    accepted = await balancer.submit("nap", mode="async")
    await balancer.until_running(1)
    worker.kill()
    task = (await balancer.get(f"/tasks/{accepted.json['id']}", wait_s="20"))["task"]
    assert task["status"] == "failed"
    assert task["error"]["type"] == "/problems/worker-lost"
    assert task["attempts"][0]["worker"] == "worker-1"
