"""A node whose database goes away and comes back: nothing hangs, nothing is lost."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.harness.in_process.durable_worker import (
    accepted,
    busy,
    delivered,
    durable_worker,
    finished,
)
from tests.harness.in_process.worker import RunningWorker
from tests.harness.peers.receivers import receiver
from tests.harness.processes.postgres import Postgres

GIVE_UP_S = 60.0


async def test_accepted_run_listed_and_told_on_postgresql(
    tmp_path: Path, database_url: str
) -> None:
    async with receiver() as told, durable_worker(tmp_path, DATABASE_URL=database_url) as worker:
        given = {"file": str(tmp_path / "lines"), "text": "é\u0000"}
        ids = [
            await accepted(worker, "note", mode="webhook", webhook={"url": told.url}, input=given)
            for _ in range(20)
        ]
        for task_id in ids:
            task = await delivered(worker, task_id)
            assert task["result"] == "é\u0000"
            assert len(task["deliveries"]) == 1
        listed = await worker.get("/tasks", status="completed", limit="5", offset="5")
        assert [task["id"] for task in listed["tasks"]] == ids[::-1][5:10]
        assert listed["total"] == 20


async def test_an_error_may_say_what_a_database_cannot_keep(
    tmp_path: Path, database_url: str
) -> None:
    odd = '''
from slotgrid.function import Context, function

@function()
async def odd(context: Context) -> None:
    """Fail with a text that PostgreSQL does not store."""
    raise RuntimeError("a\\x00b")
'''
    async with durable_worker(tmp_path, {"odd.py": odd}, DATABASE_URL=database_url) as worker:
        task = await finished(worker, await accepted(worker, "odd"))
        assert task["status"] == "failed"
        refused = await worker.request("GET", "/tasks", params={"q": "\x00"})
        assert refused.status == 400
        assert b"without NUL" in refused.body


async def test_while_the_database_is_away_only_durable_modes_are_refused(
    tmp_path: Path, own_server: Postgres
) -> None:
    url = own_server.create_database()
    async with receiver() as told, durable_worker(tmp_path, DATABASE_URL=url) as worker:
        hook = {"mode": "webhook", "webhook": {"url": told.url}}
        gate, started = tmp_path / "go", tmp_path / "started"
        waits = {"until": str(gate), "started": str(started)}
        running = await accepted(worker, "wait", **hook, input=waits)
        await there(started)
        note = {"file": str(tmp_path / "lines"), "text": "durable"}
        own_server.kill()
        async with asyncio.timeout(10):  # at once; a hang would be minutes
            refused = await worker.submit("note", mode="async", input=note)
        assert refused.status == 503
        assert refused.json["type"] == "/problems/database-unavailable"
        assert int(refused.headers["Retry-After"]) > 0
        assert (await worker.request("GET", "/readyz")).status == 200
        live = {"file": str(tmp_path / "live"), "text": "sync"}
        assert await worker.call("note", **live) == "sync"
        gate.touch()  # it ends while nobody can write that down
        own_server.start()
        again = await accepted_again(worker, note)  # until the server answers, so does not /tasks
        assert (await delivered(worker, running))["status"] == "completed"
        assert (await finished(worker, again))["status"] == "completed"
        assert (tmp_path / "lines").read_text() == "durable\n"
        assert [request.headers["webhook-id"] for request in told.received] == [running]


@pytest.mark.parametrize("hangs", [True, False])
async def test_callers_have_the_slots_while_durable_tasks_wait_for_the_database(
    tmp_path: Path, own_server: Postgres, hangs: bool
) -> None:
    url, many = own_server.create_database(), 30
    note = {"file": str(tmp_path / "lines")}
    async with durable_worker(tmp_path, DATABASE_URL=url, SLOTS=2) as worker:
        async with AsyncExitStack() as outage:
            async with busy(worker, tmp_path, 2):
                ids = [
                    await accepted(worker, "note", input={**note, "text": str(n)})
                    for n in range(many)
                ]
                if hangs:
                    outage.enter_context(own_server.frozen())
                else:
                    own_server.kill()
                    outage.callback(own_server.start)
            # The slots are free, and those that wait would start. Held until the database is given
            # up, each would cost a caller 12 s.
            async with asyncio.timeout(8):
                for _ in range(many):
                    assert await worker.call("say", text="sync") == "sync"
            assert not (tmp_path / "lines").exists()
        for task_id in ids:
            assert (await finished_after_all(worker, task_id))["status"] == "completed"
        ran = (tmp_path / "lines").read_text().split()
        assert sorted(ran, key=int) == [str(n) for n in range(many)]
        await worker.idle()
        assert worker.worker.durability.tasks.waiting == 0


async def finished_after_all(worker: RunningWorker, task_id: str) -> Any:
    """The record of a task that has ended; the database may still be away."""
    async with asyncio.timeout(GIVE_UP_S):
        while True:
            answer = await worker.request("GET", f"/tasks/{task_id}", params={"wait_s": "5"})
            if answer.status == 200 and answer.json["task"]["finished_at"] is not None:
                return answer.json["task"]
            await asyncio.sleep(0.1)


async def accepted_again(worker: RunningWorker, given: dict[str, str]) -> str:
    """The id of a task that is accepted as soon as any is."""
    async with asyncio.timeout(GIVE_UP_S):
        while True:
            answer = await worker.submit("note", mode="async", input=given)
            if answer.status == 202:
                return str(answer.json["id"])
            assert answer.status == 503
            await asyncio.sleep(0.1)


async def there(path: Path) -> None:
    async with asyncio.timeout(GIVE_UP_S):
        while not path.exists():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
