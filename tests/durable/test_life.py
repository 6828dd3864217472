"""The life of a durable task, from 202 to its delivery, in one process."""

import asyncio
import json
from pathlib import Path
from typing import Any

import orjson
import pytest

from slotgrid.durable.durable_tasks import DurableTasks
from tests.harness.in_process.durable_worker import (
    accepted,
    busy,
    delivered,
    durable_worker,
    finished,
)
from tests.harness.peers.receivers import receiver


async def test_an_async_task_is_accepted_run_and_kept(tmp_path: Path) -> None:
    async with durable_worker(tmp_path) as worker:
        answer = await worker.submit(
            "note", mode="async", input={"file": str(tmp_path / "lines"), "text": "a"}
        )
        assert answer.status == 202
        task = await finished(worker, answer.json["id"])
        assert task["status"] == "completed"
        assert task["result"] == "a"
        assert task["mode"] == "async"
        assert (tmp_path / "lines").read_text() == "a\n"
        await worker.idle()
    async with durable_worker(tmp_path) as worker:
        again = await worker.task(task["id"])
        assert again == task
        assert (await worker.get("/tasks"))["total"] == 1


async def test_a_list_by_status_agrees_with_the_task_before_its_end_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_record = asyncio.Event()
    record_end = DurableTasks._end

    async def later(tasks: DurableTasks, *change: Any) -> None:
        await may_record.wait()
        await record_end(tasks, *change)

    monkeypatch.setattr(DurableTasks, "_end", later)
    async with durable_worker(tmp_path) as worker:
        note = {"file": str(tmp_path / "lines"), "text": "a"}
        task = await finished(worker, await accepted(worker, "note", input=note))

        async def listed(status: str) -> list[Any]:
            found = await worker.get("/tasks", status=status)
            assert found["total"] == len(found["tasks"])
            return [(one["id"], one["status"]) for one in found["tasks"]]

        for _ in ("while its record says running", "and after"):
            assert await listed("queued,running") == []
            assert await listed("completed") == [(task["id"], "completed")]
            assert (await worker.get("/tasks", status="completed", offset="1"))["total"] == 1
            assert (await worker.get("/tasks"))["total"] == 1
            may_record.set()
            await worker.idle()


async def test_a_webhook_tells_the_result_signed(tmp_path: Path) -> None:
    async with receiver() as told, durable_worker(tmp_path) as worker:
        webhook = {"url": told.url, "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
        task_id = await accepted(
            worker,
            "note",
            mode="webhook",
            webhook=webhook,
            input={"file": str(tmp_path / "lines"), "text": "b"},
            metadata={"order": 7},
        )
        task = await delivered(worker, task_id)
        assert [(each["number"], each["status"]) for each in task["deliveries"]] == [(1, 200)]
        (request,) = told.received
        body = json.loads(request.body)
        assert body["type"] == "task.completed"
        assert body["data"]["id"] == task_id == request.headers["webhook-id"]
        assert body["data"]["result"] == "b"
        assert body["data"]["metadata"] == {"order": 7}
        assert b"whsec" not in request.body


async def test_failures_are_delivered_too(tmp_path: Path) -> None:
    async with receiver() as told, durable_worker(tmp_path) as worker:
        task_id = await accepted(worker, "fail", mode="webhook", webhook={"url": told.url})
        await delivered(worker, task_id)
        body = json.loads(told.received[0].body)
        assert body["type"] == "task.failed"
        assert body["data"]["error"]["type"] == "/problems/function-failed"
        assert "it is broken" in body["data"]["error"]["error"]


async def test_the_queue_position_says_how_many_are_before(tmp_path: Path) -> None:
    async with durable_worker(tmp_path) as worker:
        async with busy(worker, tmp_path, 2):
            given = {"file": str(tmp_path / "lines"), "text": "x"}
            answers = [await worker.submit("note", mode="async", input=given) for _ in range(3)]
            assert [answer.json["queue_position"] for answer in answers] == [1, 2, 3]
            assert {answer.json["status"] for answer in answers} == {"queued"}
        for answer in answers:
            assert (await finished(worker, answer.json["id"]))["status"] == "completed"
        free = await worker.submit("note", mode="async", input=given)
        assert free.json["queue_position"] == 0
        await finished(worker, free.json["id"])


async def test_an_attempt_that_fails_is_followed_by_another(tmp_path: Path) -> None:
    async with durable_worker(tmp_path) as worker:
        task_id = await accepted(
            worker, "flaky", input={"file": str(tmp_path / "runs"), "fails": 1}
        )
        task = await finished(worker, task_id)
        assert task["result"] == 2
        assert [attempt["number"] for attempt in task["attempts"]] == [1, 2]


async def test_cancelling_a_queued_and_a_running_task(tmp_path: Path) -> None:
    async with receiver() as told, durable_worker(tmp_path) as worker:
        async with busy(worker, tmp_path, 2):
            queued = await accepted(
                worker,
                "note",
                mode="webhook",
                webhook={"url": told.url},
                input={"file": str(tmp_path / "lines"), "text": "never"},
            )
            answer = await worker.request("POST", f"/tasks/{queued}/cancel")
            assert (answer.status, answer.json["status"]) == (200, "cancelled")
            await delivered(worker, queued)
            assert json.loads(told.received[0].body)["type"] == "task.cancelled"
        running = await accepted(
            worker, "wait", input={"until": "/nonexistent", "started": str(tmp_path / "runs")}
        )
        while not (tmp_path / "runs").exists():  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        answer = await worker.request("POST", f"/tasks/{running}/cancel")
        assert answer.json["status"] == "cancelled"
        again = await worker.request("POST", f"/tasks/{running}/cancel")
        assert again.status == 409
        assert not (tmp_path / "lines").exists()


async def test_retry_runs_the_same_input_as_a_new_task(tmp_path: Path) -> None:
    async with durable_worker(tmp_path) as worker:
        given = {"file": str(tmp_path / "lines"), "text": "twice"}
        first = await accepted(worker, "note", input=given)
        await finished(worker, first)
        answer = await worker.request("POST", f"/tasks/{first}/retry")
        assert answer.status == 202
        second = await finished(worker, answer.json["id"])
        assert second["source"] == {"kind": "retry", "id": first}
        assert (tmp_path / "lines").read_text() == "twice\ntwice\n"


async def test_a_webhook_can_be_sent_again(tmp_path: Path) -> None:
    async with receiver() as told, durable_worker(tmp_path) as worker:
        task_id = await accepted(
            worker,
            "note",
            mode="webhook",
            webhook={"url": told.url},
            input={"file": str(tmp_path / "lines"), "text": "c"},
        )
        await delivered(worker, task_id)
        answer = await worker.request("POST", f"/tasks/{task_id}/redeliver")
        assert answer.status == 202
        while len(told.received) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        task = await delivered(worker, task_id)
        assert len(task["deliveries"]) == 2
        assert told.received[0].body == told.received[1].body
        plain = await accepted(worker, "note", input={"file": str(tmp_path / "lines"), "text": "d"})
        await finished(worker, plain)
        refused = await worker.request("POST", f"/tasks/{plain}/redeliver")
        assert refused.status == 409


async def test_what_could_never_be_delivered_is_refused_with_pointers(tmp_path: Path) -> None:
    async with durable_worker(tmp_path) as worker:
        answer = await worker.submit(
            "fail",
            mode="webhook",
            webhook={
                "url": "http://169.254.169.254/latest",
                "headers": {"Host": "elsewhere", "X-Fine": "yes"},
                "secret": "whsec_!",
            },
        )
        assert answer.status == 400
        pointers = [error["pointer"] for error in answer.json["errors"]]
        assert pointers == ["/webhook/headers/Host", "/webhook/url", "/webhook/secret"]
        assert (await worker.get("/tasks"))["total"] == 0


async def test_the_same_idempotency_key_gives_the_same_task(tmp_path: Path) -> None:
    async with durable_worker(tmp_path) as worker:
        body = {
            "function": "note",
            "mode": "async",
            "input": {"file": str(tmp_path / "lines"), "text": "once"},
        }
        headers = {"Idempotency-Key": "order-1"}

        async def send(body: object) -> tuple[int, dict[str, object]]:
            answer = await worker.request("POST", "/task", json=body, headers=headers)
            return answer.status, answer.json

        answers = await asyncio.gather(*(send(body) for _ in range(20)))
        assert {status for status, _ in answers} == {202}
        (task_id,) = {str(answer["id"]) for _, answer in answers}
        await finished(worker, task_id)
        status, problem = await send(body | {"priority": 1})
        assert (status, problem["task_id"]) == (409, task_id)
        assert (tmp_path / "lines").read_text() == "once\n"


async def test_secrets_of_the_input_are_shown_nowhere(tmp_path: Path) -> None:
    async with receiver() as told, durable_worker(tmp_path) as worker:
        task_id = await accepted(
            worker,
            "secretive",
            mode="webhook",
            webhook={"url": told.url, "secret": "a-secret-of-the-hook"},
            input={"password": "hunter2-hunter2"},
        )
        await delivered(worker, task_id)
        shown = orjson.dumps(await worker.task(task_id)).decode()
        listed = orjson.dumps(await worker.get("/tasks")).decode()
        for text in (shown, listed):
            assert "a-secret-of-the-hook" not in text
        assert "hunter2" not in listed
        assert "hunter2" not in orjson.dumps((await worker.task(task_id))["input"]).decode()
    async with durable_worker(tmp_path) as worker:
        assert "hunter2" not in orjson.dumps((await worker.task(task_id))["input"]).decode()
        assert "a-secret-of-the-hook" not in orjson.dumps(await worker.task(task_id)).decode()
