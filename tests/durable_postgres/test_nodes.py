"""Whole nodes on PostgreSQL: gone for good, come back, of one name, asked at once."""

import asyncio
import signal
from pathlib import Path

import psycopg
import pytest
from aiohttp import web

from tests.harness.peers.receivers import receiver
from tests.harness.processes.durable_fleet import (
    Member,
    fleet,
    hold_slots,
    submit,
    task_of,
    until_taken_over,
    until_told,
)
from tests.harness.processes.postgres import Postgres

MANY = 20
TAKEN_OVER_WITHIN_S = 15.0
SLACK_S = 15.0
"""For a machine that is busy with other tests; what an idle one needs says `test_peers`."""


async def test_a_node_gone_for_good_is_taken_over_and_what_ran_is_told_lost(
    tmp_path: Path, database_url: str
) -> None:
    async with fleet(tmp_path, database_url, "a", "b") as (at_a, at_b):
        async with at_b.node() as b:
            async with at_a.node() as a:
                ran = await hold_slots(a, tmp_path / "never")
                await a.submit_many("once", MANY)
                a.kill()
                await a.died()
            assert 10.0 <= await until_taken_over(b) < TAKEN_OVER_WITHIN_S + SLACK_S
            await b.settled()
            assert all(runs == 1 for runs in at_b.ran().values())
            assert len(at_b.ran()) == MANY
            for task_id in ran:
                assert await until_told(at_b, task_id) == {"failed"}
                task = await task_of(b, task_id)
                assert "the node crashed while the task ran" in task["error"]["detail"]
                assert task["error"]["type"] == "/problems/worker-lost"
            for task_id in at_a.ids.values():
                assert await until_told(at_b, task_id) == {"completed"}
            # It comes back, and finds that nothing is its own.
            async with at_a.node() as a:
                before = len(at_b.told.received)
                await a.submit_many("again", 1)
                await a.settled()
                assert len(at_b.told.received) == before + 1
        assert all(runs == 1 for runs in at_b.ran().values())


async def test_what_may_run_twice_runs_again_at_the_peer(tmp_path: Path, database_url: str) -> None:
    async with fleet(tmp_path, database_url, "a", "b") as (at_a, at_b), at_b.node() as b:
        async with at_a.node("started", "1") as a:
            await a.submit("again", "twice")
            await a.died()
        await until_taken_over(b)
        (task,) = await b.settled()
        assert task["status"] == "completed"
        assert at_b.ran() == {"twice": 1}


async def test_a_node_that_was_stopped_and_goes_on_lets_go_of_what_a_peer_took(
    tmp_path: Path, database_url: str
) -> None:
    gate = tmp_path / "gate"
    async with fleet(tmp_path, database_url, "a", "b") as (at_a, at_b):
        async with at_b.node() as b, at_a.node() as a:
            ran = await hold_slots(a, gate)
            await a.submit_many("once", MANY)
            a.process.send(signal.SIGSTOP)
            await until_taken_over(b)
            await b.settled()
            a.process.send(signal.SIGCONT)
            await asyncio.to_thread(a.process.until_event, "peers.was_silent")
            for task_id in ran:
                assert (await task_of(b, task_id))["status"] == "failed"
            # Its slots are free again, and it is a member like any other.
            await a.submit("again", "after")
            await a.settled()
            assert (await a.get("/health"))["slots"]["used"] == 0
            for task_id in (*ran, *at_a.ids.values()):
                assert (await task_of(a, task_id))["status"] == (await task_of(b, task_id))[
                    "status"
                ]
        assert all(runs == 1 for runs in at_b.ran().values())
        assert len(at_b.ran()) == MANY + 1
        assert all(len(ends) == 1 for ends in at_b.told_of().values())


async def test_a_node_that_ends_leaves_what_waits_to_its_peers_at_once(
    tmp_path: Path, database_url: str
) -> None:
    async with fleet(tmp_path, database_url, "a", "b") as (at_a, at_b):
        async with at_b.node() as b:
            async with at_a.node() as a:
                await hold_slots(a, tmp_path / "gate")
                await a.submit_many("once", MANY)
                a.process.send(signal.SIGTERM)
                await asyncio.to_thread(a.process.until_event, "worker.draining")
                (tmp_path / "gate").touch()
                assert await asyncio.to_thread(a.process.wait) == 0
            await b.settled()
        assert at_b.ran() == {f"once-{n}": 1 for n in range(MANY)}


async def test_one_key_at_two_nodes_in_the_same_instant_is_one_task(
    tmp_path: Path, database_url: str
) -> None:
    async with fleet(tmp_path, database_url, "a", "b") as (at_a, at_b):
        async with at_a.node() as a, at_b.node() as b:
            for n in range(10):
                given = {"file": str(at_a.lines), "text": f"key-{n}"}
                headers = {"Idempotency-Key": f"key-{n}"}
                first, second = await asyncio.gather(
                    submit(a, "once", given, headers=headers),
                    submit(b, "once", given, headers=headers),
                )
                assert first == second
            await a.settled()
        assert at_a.ran() == {f"key-{n}": 1 for n in range(10)}


async def test_a_task_is_cancelled_at_any_node(tmp_path: Path, database_url: str) -> None:
    async with (
        fleet(tmp_path, database_url, "a", "b") as (at_a, at_b),
        at_a.node() as a,
        at_b.node() as b,
    ):
        runs, _ = await hold_slots(a, tmp_path / "never")
        waits = await submit(a, "once", {"file": str(at_a.lines), "text": "waits"})
        for task_id in (waits, runs):
            assert await b.post(f"/tasks/{task_id}/cancel") == 200
            assert await until_told(at_b, task_id) == {"cancelled"}
        # Its node has stopped it, and its slot is free for what waits next.
        following = await submit(a, "once", {"file": str(at_a.lines), "text": "next"})
        assert await until_told(at_a, following) == {"completed"}
        assert at_a.ran() == {"next": 1}
        for node in (a, b):
            for task_id in (runs, waits):
                assert (await task_of(node, task_id))["status"] == "cancelled"
            # Who ran it knows what became of it: it was no other that wrote down its end.
            (attempt,) = (await task_of(node, runs))["attempts"]
            assert attempt["worker"] == "a"
            assert attempt["ended_at"] is not None


async def test_a_second_node_of_a_name_does_not_start_and_says_why(
    tmp_path: Path, database_url: str
) -> None:
    async with fleet(tmp_path, database_url, "a") as (home,), home.node() as first:
        with pytest.raises(pytest.fail.Exception) as told:
            async with home.node(DATA_DIR=str(tmp_path / "other")):
                pass
        assert "it ended with 2" in str(told.value)
        assert "another node named a lives on this database" in str(told.value)
        assert "Traceback" not in str(told.value)
        await first.submit_many("once", 1)
        await first.settled()


async def test_a_database_that_cannot_be_reached_at_start_is_told(tmp_path: Path) -> None:
    url = "postgresql://someone:s3cret@127.0.0.1:1/none"
    async with fleet(tmp_path, url, "a") as (home,):
        with pytest.raises(pytest.fail.Exception) as told:
            async with home.node():
                pass
    assert "it ended with 2" in str(told.value)
    assert "127.0.0.1:1/none cannot be used" in str(told.value)
    assert "Traceback" not in str(told.value)
    assert "s3cret" not in str(told.value)


async def test_tables_that_cannot_be_made_are_told(tmp_path: Path, shared_server: Postgres) -> None:
    url = shared_server.create_database()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE ROLE no_tables LOGIN")
        connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    async with fleet(tmp_path, url.replace("postgres@", "no_tables@"), "a") as (home,):
        with pytest.raises(pytest.fail.Exception) as told:
            async with home.node():
                pass
    assert "it ended with 2" in str(told.value)
    assert "permission denied" in str(told.value)
    assert "Traceback" not in str(told.value)


async def test_a_half_tried_webhook_of_a_node_gone_for_good_goes_on_from_there(
    tmp_path: Path, database_url: str
) -> None:
    """Its schedule does not begin anew at the peer."""
    refused = 0

    async def answer(_: web.Request) -> web.Response:
        nonlocal refused
        refused += 1
        return web.Response(status=500 if refused <= 2 else 200)

    async with receiver(answer) as told:
        homes = [Member(tmp_path, told, name=name, database_url=database_url) for name in "ab"]
        async with homes[1].node() as b:
            async with homes[0].node("between attempts", "2") as a:
                task_id = await submit(a, "say", {"text": "a"})
                await a.died()
            await until_taken_over(b)
            await b.settled()
            task = await task_of(b, task_id)
    assert [made["number"] for made in task["deliveries"]] == [1, 2, 3]
    assert [made["status"] for made in task["deliveries"]] == [500, 500, 200]
    assert len(told.received) == 3
