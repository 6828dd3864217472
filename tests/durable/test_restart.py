"""What a node that is started again on the same data does with what it left."""

import asyncio
import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest

from slotgrid.core.drain import drain
from slotgrid.durable.retention import DAY_S
from tests.harness.calls import events_of
from tests.harness.in_process.durable_worker import (
    FUNCTIONS,
    GIVE_UP_S,
    accepted,
    busy,
    delivered,
    durable_worker,
    finished,
)
from tests.harness.in_process.worker import RunningWorker
from tests.harness.peers.receivers import receiver
from tests.harness.sizes import sized


async def drained(worker: RunningWorker, within_s: float = 30.0) -> None:
    """Drain the worker as its process does when it is told to stop."""
    parts = worker.worker
    await drain(
        parts.status,
        parts.supervisor,
        deadline_s=within_s,
        on_end=lambda _: None,
        release=parts.durability.tasks.release_queued,
    )


def note(folder: Path, text: str) -> dict[str, str]:
    return {"file": str(folder / "lines"), "text": text}


def lines(folder: Path) -> list[str]:
    path = folder / "lines"
    return path.read_text().splitlines() if path.exists() else []


async def leave_queued(folder: Path, *submissions: Mapping[str, object]) -> list[str]:
    """Tasks that were accepted while every slot was held, by a worker that then was drained."""
    async with durable_worker(folder, SLOTS=1) as worker:
        async with busy(worker, folder, 1):
            ids = [await accepted(worker, "note", **each) for each in submissions]
            draining = asyncio.create_task(drained(worker))
            while worker.worker.dispatcher.waiting:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        await draining
    assert lines(folder) == []
    return ids


async def test_a_record_that_cannot_be_read_fails_and_stops_no_other(tmp_path: Path) -> None:
    ids = await leave_queued(tmp_path, *({"input": note(tmp_path, str(n))} for n in range(3)))
    (file,) = tmp_path.rglob("slotgrid.sqlite")
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("UPDATE slotgrid_tasks SET body = '{' WHERE id = ?", (ids[1],))
    async with durable_worker(tmp_path, SLOTS=1) as worker:
        ends = [(await finished(worker, task_id))["status"] for task_id in (ids[0], ids[2])]
        assert ends == ["completed", "completed"]
        assert sorted(lines(tmp_path)) == ["0", "2"]
        await worker.idle()
    with closing(sqlite3.connect(file)) as database:
        query = "SELECT status FROM slotgrid_tasks WHERE id = ?"
        assert database.execute(query, (ids[1],)).fetchall() == [("failed",)]


async def test_a_drain_leaves_what_waits_to_the_next_process(tmp_path: Path) -> None:
    ids = await leave_queued(tmp_path, *({"input": note(tmp_path, str(n))} for n in range(5)))
    async with durable_worker(tmp_path, SLOTS=1) as worker:
        for task_id in ids:
            task = await finished(worker, task_id)
            assert task["status"] == "completed"
            assert task["lost_starts"] == 0
        assert lines(tmp_path) == ["0", "1", "2", "3", "4"]


async def test_priority_holds_over_a_restart(tmp_path: Path) -> None:
    ids = await leave_queued(
        tmp_path,
        *({"input": note(tmp_path, str(priority)), "priority": priority} for priority in (9, 5, 1)),
    )
    async with durable_worker(tmp_path, SLOTS=1) as worker:
        for task_id in ids:
            await finished(worker, task_id)
    assert lines(tmp_path) == ["1", "5", "9"]


async def test_waiting_counts_from_acceptance_over_a_restart(tmp_path: Path) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=5)
    waits, expires, patient = await leave_queued(
        tmp_path,
        {"input": note(tmp_path, "waits"), "wait_s": 2},
        {"input": note(tmp_path, "expires"), "expires_at": soon.isoformat()},
        {"input": note(tmp_path, "patient"), "wait_s": 3600},
    )
    await asyncio.sleep(max(2.0, (soon - datetime.now(UTC)).total_seconds()))
    async with durable_worker(tmp_path, SLOTS=1) as worker:
        for task_id in (waits, expires):
            task = await finished(worker, task_id)
            assert task["status"] == "failed"
            assert task["error"]["type"] == "/problems/wait-exceeded"
            assert task["attempts"] == []
        assert (await finished(worker, patient))["status"] == "completed"
    assert lines(tmp_path) == ["patient"]


async def test_not_before_holds_over_a_restart(tmp_path: Path) -> None:
    start = datetime.now(UTC) + timedelta(seconds=4)
    (task_id,) = await leave_queued(
        tmp_path, {"input": note(tmp_path, "later"), "not_before": start.isoformat()}
    )
    async with durable_worker(tmp_path, SLOTS=1) as worker:
        now = await accepted(worker, "note", input=note(tmp_path, "now"))
        await finished(worker, now)
        task = await finished(worker, task_id)
        assert datetime.fromisoformat(task["started_at"]) >= start.replace(microsecond=0)
    assert lines(tmp_path) == ["now", "later"]


async def test_a_task_is_checked_again_by_its_function_as_it_is_now(tmp_path: Path) -> None:
    async with receiver() as told:
        async with durable_worker(tmp_path, SLOTS=1) as worker:
            hook = {"mode": "webhook", "webhook": {"url": told.url}}
            async with busy(worker, tmp_path, 1):
                fits = await accepted(worker, "note", input=note(tmp_path, "fits"), **hook)
                misfits = await accepted(
                    worker, "flaky", input={"file": str(tmp_path / "runs"), "fails": 0}, **hook
                )
                gone = await accepted(worker, "fail", **hook)
                draining = asyncio.create_task(drained(worker))
                while worker.worker.dispatcher.waiting:  # noqa: ASYNC110
                    await asyncio.sleep(0.001)
            await draining
        changed = {name: text for name, text in FUNCTIONS.items() if name != "fail.py"}
        changed["flaky.py"] = FUNCTIONS["flaky.py"].replace("fails: int = 1", "fails: bool = True")
        changed["note.py"] = (
            FUNCTIONS["note.py"]
            .replace("text: str)", "text: str, end: str = '!')")
            .replace('text + "\\n"', 'text + end + "\\n"')
        )
        (tmp_path / "functions" / "fail.py").unlink()
        async with durable_worker(tmp_path, changed, SLOTS=1) as worker:
            assert (await delivered(worker, fits))["status"] == "completed"
            problem = (await delivered(worker, misfits))["error"]
            assert problem["type"] == "/problems/invalid-input"
            assert problem["errors"][0]["pointer"] == "/input/fails"
            problem = (await delivered(worker, gone))["error"]
            assert problem["type"] == "/problems/unknown-function"
        assert lines(tmp_path) == ["fits!"]
        assert len(told.received) == 3


async def test_events_go_on_after_a_restart(tmp_path: Path) -> None:
    async with durable_worker(tmp_path, SLOTS=1) as worker:
        async with busy(worker, tmp_path, 1):
            queued = await accepted(worker, "note", input=note(tmp_path, "later"))
            draining = asyncio.create_task(drained(worker))
            while worker.worker.dispatcher.waiting:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        await draining
    async with durable_worker(tmp_path, SLOTS=1) as worker:
        async with worker.caller.get(f"/tasks/{queued}/events") as response:
            kinds = [kind for kind, _ in await events_of(response)]
        assert kinds == ["state", "done"]
        ended = await accepted(worker, "outer", input={"text": "a"})
        task = await finished(worker, ended)
        async with worker.caller.get(f"/tasks/{ended}/events") as response:
            said = await events_of(response)
        kinds = [kind for kind, _ in said]
        assert kinds[0] == "state"
        assert kinds[-1] == "done"
        assert kinds.count("step") == 2
    async with durable_worker(tmp_path) as worker:
        async with worker.caller.get(f"/tasks/{ended}/events") as response:
            kept = await events_of(response)
        assert kept[0][0] == "missed"
        assert [event for event in said if event[0] in {"state", "step", "done"}] == kept[1:]
        assert kept[-1][1]["result"] == task["result"]
        headers = {"Last-Event-ID": "1"}
        async with worker.caller.get(f"/tasks/{ended}/events", headers=headers) as response:
            assert [kind for kind, _ in await events_of(response)][-1] == "done"


async def test_what_waits_on_disk_has_a_place_in_the_queue(tmp_path: Path) -> None:
    many = 260  # 200 of them wait in memory
    async with durable_worker(tmp_path, SLOTS=1) as worker:
        async with busy(worker, tmp_path, 1):
            tasks = [{"function": "note", "input": note(tmp_path, str(n))} for n in range(many)]
            answer = await worker.request("POST", "/tasks", json={"tasks": tasks})
            places = [task["queue_position"] for task in answer.json["tasks"]]
            assert places == list(range(1, many + 1))
            last = answer.json["tasks"][-1]["id"]
            assert (await worker.task(last))["queue_position"] == many
            given = note(tmp_path, "late")
            late = await worker.submit("note", mode="async", input=given, priority=9)
            assert late.json["queue_position"] == many + 1
            urgent = await worker.submit("note", mode="async", input=given, priority=1)
            assert urgent.json["queue_position"] == 1
            assert (await worker.task(last))["queue_position"] == many + 1
        assert (await finished(worker, late.json["id"]))["status"] == "completed"
        assert worker.worker.durability.tasks.waiting == 0


async def test_files_stay_over_a_restart_and_go_with_their_task(tmp_path: Path) -> None:
    async with durable_worker(tmp_path) as worker:
        task = await finished(worker, await accepted(worker, "save", input={"text": "kept"}))
        sync = await worker.submit("save", input={"text": "not kept"})
        assert sync.status == 200
    async with durable_worker(tmp_path) as worker:
        assert await worker.artifact(task["id"], "text.txt") == b"kept"
        assert [folder.name for folder in (tmp_path / "data/artifacts").iterdir()] == [task["id"]]
        young = await finished(worker, await accepted(worker, "save", input={"text": "young"}))
        ended_at = datetime.fromisoformat(task["finished_at"]).timestamp()
        await worker.worker.durability.retention.run_once(ended_at + 0.01 + 7 * DAY_S)
        gone = await worker.request("GET", f"/tasks/{task['id']}")
        assert gone.status == 404
        assert [folder.name for folder in (tmp_path / "data/artifacts").iterdir()] == [young["id"]]
        assert (await worker.get("/tasks"))["total"] == 1


async def test_cancelling_what_waits_on_disk(tmp_path: Path) -> None:
    start = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    async with receiver() as told:
        async with durable_worker(tmp_path) as worker:
            hook = {"mode": "webhook", "webhook": {"url": told.url}}
            task_id = await accepted(
                worker, "note", input=note(tmp_path, "never"), not_before=start, **hook
            )
            other = await accepted(worker, "note", input=note(tmp_path, "never"), not_before=start)
        async with durable_worker(tmp_path) as worker:
            assert (await worker.task(task_id))["status"] == "queued"
            answer = await worker.request("POST", f"/tasks/{task_id}/cancel")
            assert (answer.status, answer.json["status"]) == (200, "cancelled")
            task = await delivered(worker, task_id)
            assert task["error"]["reason"] == "root cancelled it"
            async with worker.caller.get(f"/tasks/{task_id}/events") as response:
                assert [kind for kind, _ in await events_of(response)] == ["error"]
            answer = await worker.request("POST", "/tasks/cancel", params={"function": "note"})
            assert answer.json["ids"] == [other]
            assert worker.worker.durability.tasks.waiting == 0


async def test_durable_tasks_have_a_limit_of_their_own(tmp_path: Path) -> None:
    async with durable_worker(tmp_path, SLOTS=1, QUEUE_LIMIT=1, DURABLE_LIMIT=3) as worker:
        async with busy(worker, tmp_path, 1):
            ids = [await accepted(worker, "note", input=note(tmp_path, str(n))) for n in range(3)]
            refused = await worker.submit("note", mode="async", input=note(tmp_path, "x"))
            assert (refused.status, refused.json["type"]) == (503, "/problems/queue-full")
            assert "Retry-After" in refused.headers
            sync = asyncio.create_task(worker.submit("note", input=note(tmp_path, "sync")))
            while worker.worker.dispatcher.waiting < 4:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        assert (await sync).status == 200
        for task_id in ids:
            await finished(worker, task_id)
        assert worker.worker.durability.tasks.waiting == 0


@pytest.mark.timeout(400)
@sized("many", short=1500, long_form=15_000)
async def test_thousands_run_in_the_order_of_the_queue(tmp_path: Path, many: int) -> None:
    at_once = 500
    async with durable_worker(tmp_path, SLOTS=1, LOG_LEVEL="warning") as worker:
        async with busy(worker, tmp_path, 1):
            for first in range(0, many, at_once):
                tasks = [
                    {
                        "function": "note",
                        "mode": "async",
                        "input": note(tmp_path, str(n)),
                        "priority": 1 + n % 9,
                    }
                    for n in range(first, first + at_once)
                ]
                answer = await worker.request("POST", "/tasks", json={"tasks": tasks})
                assert answer.status == 202, answer.body
            records = worker.worker.durability
            assert records.tasks.waiting == many
            assert worker.worker.dispatcher.waiting < 1000  # the rest is on disk alone
            keys = await records.database.read(
                lambda c: c.exec_driver_sql(
                    "SELECT detail, queue_key FROM slotgrid_tasks ORDER BY queue_key, id"
                ).all()
            )
        async with asyncio.timeout(10 * GIVE_UP_S):
            while records.tasks.waiting or worker.worker.supervisor.running:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        wanted = [orjson.loads(row.detail)["input"]["text"] for row in keys]
        assert lines(tmp_path) == wanted


async def test_what_is_above_the_bound_of_bytes_goes_oldest_first(tmp_path: Path) -> None:
    async with durable_worker(tmp_path, RETENTION_BYTES="64kb") as worker:
        text = "x" * 40_000
        first = await finished(worker, await accepted(worker, "save", input={"text": text}))
        second = await finished(worker, await accepted(worker, "save", input={"text": "young"}))
        await worker.worker.durability.retention.run_once(time.time())
        assert [task["id"] for task in (await worker.get("/tasks"))["tasks"]] == [second["id"]]
        for path in ("", "/events", "/logs", "/artifacts"):
            assert (await worker.request("GET", f"/tasks/{first['id']}{path}")).status == 404
        gone = await worker.request("GET", f"/tasks/{first['id']}/artifacts/text.txt")
        assert gone.status in {404, 410}
        assert await worker.artifact(second["id"], "text.txt") == b"young"
        folders = [folder.name for folder in (tmp_path / "data/artifacts").iterdir()]
        assert folders == [second["id"]]
