"""The answer to a commit is lost on its way: what was committed has its effect all the same."""

import asyncio
from pathlib import Path

import pytest

from slotgrid.durable import log_flush
from tests.harness.peers.commit_cutter import commit_cutter
from tests.harness.processes.every_mode import Under, under
from tests.harness.processes.nodes import nodes
from tests.harness.processes.postgres import Postgres
from tests.harness.sizes import long

KINDS = pytest.mark.parametrize("kind", ["worker", "balancer"])
# Both kinds of nodes write to the database by the same code.
WORKER = pytest.mark.parametrize("kind", ["worker", long("balancer")])
BALANCER = pytest.mark.parametrize("kind", [long("worker"), "balancer"])
INSERT = b"INSERT INTO slotgrid_tasks"
AWAY_S = 16.0
"""Longer than a caller waits."""


def inserts(said: bytes) -> bool:
    return INSERT in said


@KINDS
async def test_a_caller_is_not_told_of_an_answer_that_was_lost(
    tmp_path: Path, database_url: str, kind: str
) -> None:
    async with (
        commit_cutter(database_url) as cutter,
        nodes(tmp_path) as started,
        under(started, kind, tmp_path, DATABASE_URL=cutter.url) as fault,
    ):
        for forget in (False, True):
            cutter.arm(inserts, refuse=False, forget=forget)
            assert await fault.submit() == 202
            assert cutter.cut.is_set()
        await fault.works_again()


@BALANCER
async def test_a_task_whose_acceptance_was_not_confirmed_runs(
    tmp_path: Path, database_url: str, kind: str
) -> None:
    async with (
        commit_cutter(database_url) as cutter,
        nodes(tmp_path) as started,
        under(started, kind, tmp_path, DATABASE_URL=cutter.url) as fault,
    ):
        cutter.arm(inserts, refuse=True)
        assert await fault.submit() == 503
        assert fault.refused[-1]["reason"] == "outcome-unknown"
        assert "Idempotency-Key" in fault.refused[-1]["detail"]
        assert await fault.submit() == 503  # at once, and for certain
        assert "nothing was accepted" in fault.refused[-1]["detail"]
        cutter.let_in()
        await until_run(fault, 1)  # by itself: nobody has asked again
        await fault.works_again()
        assert len(fault.events("database.unavailable")) == 1


async def test_a_commit_that_never_arrived_is_made_again(tmp_path: Path, database_url: str) -> None:
    async with (
        commit_cutter(database_url) as cutter,
        nodes(tmp_path) as started,
        under(started, "worker", tmp_path, DATABASE_URL=cutter.url) as fault,
    ):
        cutter.arm(inserts, refuse=True, forget=True)
        assert await fault.submit() == 503
        assert fault.refused[-1]["reason"] == "outcome-unknown"
        cutter.let_in()
        await until_run(fault, 1)  # by itself: nobody has asked again
        await fault.works_again()


async def test_a_server_that_ends_at_once_under_a_commit_loses_no_task(
    tmp_path: Path, own_server: Postgres
) -> None:
    url = own_server.create_database()
    async with (
        commit_cutter(url) as cutter,
        nodes(tmp_path) as started,
        under(started, "worker", tmp_path, DATABASE_URL=cutter.url) as fault,
    ):
        cutter.arm(inserts, refuse=True)
        submitting = asyncio.create_task(fault.submit())
        await cutter.cut.wait()
        own_server.kill()
        cutter.let_in()
        own_server.start()
        assert await submitting in {202, 503}
        await fault.works_again()


@WORKER
async def test_no_turn_of_a_task_is_lost_or_made_twice(
    tmp_path: Path, database_url: str, kind: str
) -> None:
    """The start, the end, the attempt at its webhook; a cancel, a batch, a redelivery."""
    async with (
        commit_cutter(database_url) as cutter,
        nodes(tmp_path) as started,
        under(started, kind, tmp_path, DATABASE_URL=cutter.url) as fault,
    ):
        node = fault.node

        async def lose(mark: bytes) -> None:
            cutter.arm(lambda said: mark in said, refuse=True)

        async def lost() -> None:
            async with asyncio.timeout(30):
                await cutter.cut.wait()
            await asyncio.sleep(1.5)  # longer than the node rests between two attempts
            cutter.let_in()

        for mark in (b'"status":"running"', b'"status":"completed"', b"delivered"):
            # The log of the task before says the same words, and is flushed each second.
            await asyncio.sleep(2 * log_flush.EVERY_S)
            await lose(mark)
            task_id = await hooked(fault)
            await lost()
            await one_delivery(fault, task_id)

        early = await hooked(fault, not_before="2100-01-01T00:00:00Z")
        await lose(b'"status":"cancelled"')
        cancelling = asyncio.create_task(node.request("POST", f"/tasks/{early}/cancel"))
        await lost()
        assert (await cancelling).status == 200
        await one_delivery(fault, early)
        assert (await fault.ended(early))["status"] == "cancelled"

        await lose(INSERT)
        tasks = [{"function": "echo", "mode": "async", "input": {"value": n}} for n in range(3)]
        submitting = asyncio.create_task(node.request("POST", "/tasks", json={"tasks": tasks}))
        await lost()
        answer = await submitting
        assert answer.status == 202, answer.body
        for task in answer.json["tasks"]:
            assert (await fault.ended(task["id"]))["status"] == "completed"

        await lose(b"pending")
        again = asyncio.create_task(node.request("POST", f"/tasks/{early}/redeliver"))
        await lost()
        assert (await again).status == 202
        async with asyncio.timeout(30):
            while times_told(fault, early) != 2:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await fault.works_again()


async def hooked(fault: Under, **fields: str) -> str:
    """The id of a task of mode webhook that was accepted."""
    hook = {"mode": "webhook", "webhook": {"url": fault.told.url}}
    answer = await fault.node.submit("echo", input={"value": 1}, **hook, **fields)
    assert answer.status == 202, answer.body
    return str(answer.json["id"])


async def one_delivery(fault: Under, task_id: str) -> None:
    """The task has ended and was delivered, each once."""
    async with asyncio.timeout(60):
        while True:
            params = {"delivery": "delivered"}
            listed = await fault.node.request("GET", "/tasks", params=params)
            if listed.status == 200 and task_id in {t["id"] for t in listed.json["tasks"]}:
                break
            await asyncio.sleep(0.1)
    task = await fault.ended(task_id)
    assert [made["number"] for made in task["deliveries"]] == [1], task
    assert times_told(fault, task_id) == 1


def times_told(fault: Under, task_id: str) -> int:
    return sum(request.headers["webhook-id"] == task_id for request in fault.told.received)


async def until_run(fault: Under, count: int) -> None:
    """Return when so many tasks have completed."""
    async with asyncio.timeout(60):
        while True:
            answer = await fault.node.request("GET", "/tasks", params={"status": "completed"})
            if answer.status == 200 and answer.json["total"] == count:
                return
            await asyncio.sleep(0.1)
