"""A node whose database goes away and comes back: nothing hangs, nothing is lost."""

import asyncio
from pathlib import Path

from tests.durable.durable_worker import accepted, delivered, durable_worker, finished
from tests.durable_postgres.server import Postgres
from tests.slotgrid.records.receivers import receiver
from tests.worker.running import RunningWorker

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
        await worker.get("/tasks", status="failed", q="\x00")  # answered, whatever it finds


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
