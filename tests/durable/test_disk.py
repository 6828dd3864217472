"""A node whose disk is full: callers of durable modes are told, nothing is lost, it goes on."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.harness.in_process.durable_worker import GIVE_UP_S
from tests.harness.processes.killing import KilledNode, killed

SLOTS, MANY = 4, 20


@contextmanager
def no_room(node: KilledNode) -> Iterator[None]:
    """Nothing can be written to a file. What goes to a pipe, as its log does, is no file."""
    process = psutil.Process(node.process.pid)
    soft, hard = process.rlimit(psutil.RLIMIT_FSIZE)
    process.rlimit(psutil.RLIMIT_FSIZE, (1, hard))
    try:
        yield
    finally:
        process.rlimit(psutil.RLIMIT_FSIZE, (soft, hard))


async def test_a_full_disk_is_told_and_what_was_accepted_goes_on_when_there_is_room(
    tmp_path: Path,
) -> None:
    async with killed(tmp_path) as home, home.node() as node:
        gate = tmp_path / "gate"
        running = []
        for n in range(SLOTS):
            started = tmp_path / f"started-{n}"
            status, answer = await node.task(
                "wait", "webhook", until=str(gate), started=str(started)
            )
            assert status == 202
            running.append(answer["id"])
            while not started.exists():  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        await node.submit_many("once", MANY)
        assert len(home.ids) == MANY
        with no_room(node):
            for mode in ("async", "webhook"):
                status, problem = await node.task("say", mode, text="refused")
                assert (status, problem["type"]) == (503, "/problems/database-unavailable")
            gate.touch()  # they end while nobody can write that down; nor can the others start
            for _ in range(MANY):
                assert (await node.task("say", text="a"))[0] == 200
            assert home.ran() == {}
        async with asyncio.timeout(GIVE_UP_S):
            while (await node.task("say", "async", text="b"))[0] != 202:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        tasks = [task for task in await node.settled() if task["mode"] != "sync"]
        assert [task["status"] for task in tasks] == ["completed"] * (SLOTS + MANY + 1)
        assert home.ran() == {f"once-{n}": 1 for n in range(MANY)}
        told = home.told_of()
        assert told == {task_id: {"completed"} for task_id in (*running, *home.ids.values())}
        async with asyncio.timeout(GIVE_UP_S):  # after an outage the count is soon exact again
            while await _in_use_and_waiting(node) != (0, 0):  # noqa: ASYNC110
                await asyncio.sleep(0.05)


async def _in_use_and_waiting(node: KilledNode) -> tuple[int, int]:
    health = await node.get("/health")
    return health["slots"]["used"], health["durable"]["waiting"]
