"""Files that tasks saved on a worker, asked for at the balancer."""

import asyncio
import shutil
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from balancer.fleet.worker_states import WorkerState
from slotgrid.records import artifacts
from slotgrid.records.file_names import file_name
from tests.harness.in_process.balancer import RunningBalancer, running_balancer
from tests.harness.waiting import until

MIB = 1024 * 1024


async def test_a_file_is_fetched_through_the_link(balancer: RunningBalancer) -> None:
    await balancer.worker()
    answer = await balancer.submit("save", input={"name": "a file.txt", "size": 200_000})
    task_id = answer.json["id"]
    (file,) = (await balancer.get(f"/tasks/{task_id}/artifacts"))["artifacts"]
    assert file["size"] == 200_000
    got = await balancer.request("GET", file["url"])
    assert (got.status, got.body) == (200, b"x" * 200_000)
    assert got.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert "sandbox" in got.headers["Content-Security-Policy"]
    part = await balancer.request("GET", file["url"], headers={"Range": "bytes=100000-100009"})
    assert (part.status, part.body) == (206, b"x" * 10)
    assert part.headers["Content-Range"] == "bytes 100000-100009/200000"
    head = await balancer.request("HEAD", file["url"])
    assert (head.status, head.headers["Content-Length"], head.body) == (200, "200000", b"")
    session = balancer.balancer.links.session("worker-1")
    assert session is not None
    await until(lambda: session.requests == 0)


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("name", ["Report (1).pdf", "Отчёт %2F 😀; a=b.pdf", "a/b", "..", "CON"])
async def test_a_file_of_any_name_goes_the_whole_way(
    balancer: RunningBalancer, name: str, mode: str
) -> None:
    await balancer.worker()
    answer = await balancer.submit("save", input={"name": name, "size": 10}, mode=mode)
    task_id = answer.json["id"]
    task = (await balancer.get(f"/tasks/{task_id}", wait_s="20"))["task"]
    assert task["status"] == "completed", task
    (file,) = task["artifacts"]
    assert file["name"] == file_name(name)
    got = await balancer.request("GET", file["url"])
    assert (got.status, got.body) == (200, b"x" * 10)


async def test_a_file_goes_with_its_worker(balancer: RunningBalancer) -> None:
    worker = await balancer.worker()
    answer = await balancer.submit("save")
    worker.kill()
    await balancer.until_worker("worker-1", WorkerState.LOST)
    got = await balancer.request("GET", f"/tasks/{answer.json['id']}/artifacts/file.bin")
    assert got.status == 410, got.body


async def test_a_file_of_a_durable_task_outlives_its_worker(balancer: RunningBalancer) -> None:
    worker = await balancer.worker()
    accepted = await balancer.submit("save", input={"size": 100_000}, mode="async")
    assert accepted.status == 202, accepted.body
    task_id = accepted.json["id"]
    task = (await balancer.get(f"/tasks/{task_id}", wait_s="20"))["task"]
    assert task["status"] == "completed", task
    worker.kill()
    await balancer.until_worker("worker-1", WorkerState.LOST)
    shutil.rmtree(worker.folder)
    got = await balancer.request("GET", f"/tasks/{task_id}/artifacts/file.bin")
    assert (got.status, len(got.body)) == (200, 100_000)


async def test_a_file_that_the_balancers_disk_refuses_fails_its_task_in_words(
    balancer: RunningBalancer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await balancer.worker()

    async def final() -> dict[str, Any]:
        accepted = await balancer.submit("save", input={"size": 100}, mode="async")
        found = await balancer.get(f"/tasks/{accepted.json['id']}", wait_s="20")
        task: dict[str, Any] = found["task"]
        return task

    def full(_: Path) -> BinaryIO:
        return Path("/dev/full").open("wb")

    with monkeypatch.context() as broken:
        broken.setattr(artifacts, "_create", full)
        task = await final()
    assert task["status"] == "failed"
    assert task["error"]["detail"].endswith("cannot be written: No space left on device")
    assert (await final())["status"] == "completed"


async def test_a_balancer_with_a_lower_limit_names_its_setting(tmp_path: Path) -> None:
    async with running_balancer(tmp_path, ARTIFACT_LIMIT="1kb") as balancer:
        await balancer.worker()
        accepted = await balancer.submit("save", input={"size": 2000}, mode="async")
        found = await balancer.get(f"/tasks/{accepted.json['id']}", wait_s="20")
        assert found["task"]["status"] == "failed"
        assert found["task"]["error"]["detail"].endswith(
            "file.bin has 2000 bytes; a file may have 1024 (ARTIFACT_LIMIT)"
        )


async def test_a_caller_who_leaves_a_file_stops_its_way_here(balancer: RunningBalancer) -> None:
    await balancer.worker()
    answer = await balancer.submit("save", input={"size": 40 * MIB})
    path = f"/tasks/{answer.json['id']}/artifacts/file.bin"
    async with balancer.caller.get(path) as response:
        assert await response.content.read(10) == b"x" * 10
        # Nobody reads on: the worker sends no more than its credits allow.
        assert await balancer.call("echo", value=1) == 1
    session = balancer.balancer.links.session("worker-1")
    assert session is not None
    await until(lambda: session.requests == 0)


async def test_tasks_go_on_while_a_large_file_is_fetched(balancer: RunningBalancer) -> None:
    await balancer.worker()
    answer = await balancer.submit("save", input={"size": 50 * MIB})
    path = f"/tasks/{answer.json['id']}/artifacts/file.bin"
    fetching = asyncio.create_task(balancer.request("GET", path))
    answered = 0
    while not fetching.done():
        assert await balancer.call("echo", value=answered) == answered
        answered += 1
    assert len((await fetching).body) == 50 * MIB
    assert answered > 3  # without turns, the first waits for the whole file
