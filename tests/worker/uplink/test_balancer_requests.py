"""What a balancer asks a worker beside tasks."""

import hashlib
from pathlib import Path
from typing import Any

import orjson
import pytest

from slotgrid.wire import messages as m
from tests.harness.peers.fake_balancer import Conversation, linked
from tests.harness.waiting import until

NOBODY = "01a2b3c4-0000-7000-8000-000000000000"
FUNCTIONS = {
    "saves.py": """
        @function(timeout_s=60)
        async def saves(context: Context, size: int) -> None:
            await context.log("saving")
            await context.save("big.bin", bytes(range(256)) * (size // 256))
    """,
    "quick.py": """
        @function(timeout_s=30)
        async def quick(context: Context) -> int:
            return 42
    """,
}


async def ask(balancer: Conversation, what: m.Wish, **params: Any) -> m.Reply:
    balancer.link.send(m.Ask(ask=f"q-{what}-{len(balancer.heard)}", what=what, **params))
    return await balancer.hears(m.Reply, after=len(balancer.heard))


async def body(balancer: Conversation, reply: m.Reply) -> bytes:
    await balancer.hears(m.Data, lambda data: data.ask == reply.ask and data.last)
    return b"".join(data.body for data in balancer.all(m.Data, lambda d: d.ask == reply.ask))


async def test_a_large_file_comes_whole_while_small_tasks_go_on(tmp_path: Path) -> None:
    size = 20 * 1024 * 1024
    async with linked(tmp_path, FUNCTIONS) as (worker, balancer):
        task_id = balancer.offer("saves", input={"size": size}, timeout_s=60)
        done = await balancer.outcome(task_id)
        assert [(file.name, file.size) for file in done.artifacts] == [("big.bin", size)]
        reply = await ask(balancer, "artifact", task=task_id, name="big.bin")
        assert (reply.status, reply.last) == (200, False)
        assert reply.head == {"content_type": "application/octet-stream", "size": size}
        before_end = 0
        while not balancer.all(m.Data, lambda data: data.last):
            assert isinstance(await balancer.outcome(balancer.offer("quick")), m.Done)
            before_end += 1
        assert before_end > 3
        got = hashlib.sha256(await body(balancer, reply)).hexdigest()
        assert got == hashlib.sha256(bytes(range(256)) * (size // 256)).hexdigest()
        await worker.idle()


async def test_a_file_that_nobody_reads_is_not_read_either(tmp_path: Path) -> None:
    async with linked(tmp_path, FUNCTIONS, grants=False) as (worker, balancer):
        task_id = balancer.offer("saves", input={"size": 10 * 1024 * 1024}, timeout_s=60)
        await balancer.outcome(task_id)
        reply = await ask(balancer, "artifact", task=task_id, name="big.bin")
        await until(lambda: len(balancer.all(m.Data)) == 32)
        assert isinstance(await balancer.outcome(balancer.offer("quick")), m.Done)
        assert len(balancer.all(m.Data)) == 32
        balancer.link.send(m.StopAsking(ask=reply.ask))
        assert (await ask(balancer, "health")).status == 200
        await worker.idle()


async def test_logs_health_and_lines_of_a_task_are_answered(tmp_path: Path) -> None:
    async with linked(tmp_path, FUNCTIONS) as (_, balancer):
        task_id = balancer.offer("saves", input={"size": 256})
        await balancer.outcome(task_id)
        reply = await ask(balancer, "task_logs", task=task_id)
        lines = [orjson.loads(line) for line in (await body(balancer, reply)).splitlines()]
        assert ("main", "saving") in [(line["step"], line["line"]) for line in lines]
        assert "_node" in [line["step"] for line in lines]
        reply = await ask(balancer, "task_logs", task=task_id, step="main")
        assert len((await body(balancer, reply)).splitlines()) == 1
        health = await ask(balancer, "health")
        assert orjson.loads(bytes(health.body))["slots"]["limit"] == 2
        logs = await ask(balancer, "logs", level="info", limit=3)
        assert len(orjson.loads(bytes(logs.body))["logs"]) == 3


async def test_the_switches_are_those_of_the_api(tmp_path: Path) -> None:
    async with linked(tmp_path, FUNCTIONS) as (worker, balancer):
        off = await ask(balancer, "off")
        assert orjson.loads(bytes(off.body))["status"] == "maintenance"
        assert (await worker.get("/health"))["status"] == "maintenance"
        assert (await ask(balancer, "on")).status == 200
        assert (await worker.get("/health"))["status"] == "ready"
        assert (await ask(balancer, "drain", deadline_s=5.0)).status == 200
        assert (await ask(balancer, "on")).status == 409
        assert worker.events_logged("audit.drain")[0]["user"] == "fake"


@pytest.mark.parametrize(
    ("what", "params", "status"),
    [
        ("artifact", {"task": NOBODY, "name": "x"}, 404),
        ("task_logs", {}, 404),
        ("logs", {"level": "loud"}, 400),
    ],
)
async def test_what_is_not_there_is_said(
    tmp_path: Path, what: m.Wish, params: dict[str, Any], status: int
) -> None:
    async with linked(tmp_path, FUNCTIONS) as (_, balancer):
        reply = await ask(balancer, what, **params)
        assert (reply.status, reply.last) == (status, True)
        assert orjson.loads(bytes(reply.body))["success"] is False


async def test_a_file_that_is_gone_from_the_disk_is_gone(tmp_path: Path) -> None:
    async with linked(tmp_path, FUNCTIONS) as (worker, balancer):
        task_id = balancer.offer("saves", input={"size": 256})
        await balancer.outcome(task_id)
        worker.worker.artifacts.path(task_id, "big.bin").unlink()
        assert (await ask(balancer, "artifact", task=task_id, name="big.bin")).status == 410
        assert (await ask(balancer, "artifact", task=task_id, name="no.bin")).status == 404
